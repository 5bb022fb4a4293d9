// Everything is written as text; nothing here reads markup.
export const byId = id => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== undefined && child !== null && child !== ""));
  return node;
}

// once fills a <details> when it is first opened: schemas refer to themselves, and most are never read.
export function once(details, fill) {
  details.addEventListener("toggle", () => details.append(...fill()), {once: true});
  return details;
}

// spans sets what is between backticks as code.
const spans = text => text.split("`").map((part, i) => i % 2 ? element("code", {}, part) : part);

function table(lines) {
  const [head, , ...rows] = lines.map(line => line.replace(/^\||\|$/g, "").split("|").map(cell => cell.trim()));
  const row = (tag, cells) => element("tr", {}, ...cells.map(cell => element(tag, {}, ...spans(cell))));
  return element("div", {class: "wide"}, element("table", {},
    element("thead", {}, row("th", head)), element("tbody", {}, ...rows.map(cells => row("td", cells)))));
}

// prose sets what the contract's descriptions are written in: paragraphs, tables and code.
export function prose(text) {
  return text ? text.trim().split(/\n{2,}/).map(block =>
    block.startsWith("|") ? table(block.split("\n")) : element("p", {}, ...spans(block))) : [];
}

// code sets a text whose strings stand out, with a button that copies it.
export function code(text) {
  const copy = element("button", {type: "button", class: "copy"}, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  const parts = text.split(/("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/);
  return element("div", {class: "code"}, element("pre", {tabindex: 0}, ...parts.map((part, i) => i % 2 ? element("span", {class: "string"}, part) : part)), copy);
}

export const json = value => JSON.stringify(value, null, 2);
