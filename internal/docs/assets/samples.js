import {code, element} from "./dom.js";

const languages = [["curl", "curl"], ["go", "Go"], ["typescript", "TypeScript"], ["python", "Python"]];
const key = "nexterm.docs.language";
const shown = new EventTarget();
let language = localStorage.getItem(key) ?? "curl";

// samples shows one text of several, by language; whoever chooses one chooses it everywhere.
export function samples(texts) {
  const bar = element("div", {class: "languages", role: "group", "aria-label": "Language"});
  const place = element("div");
  const buttons = new Map(languages.filter(([name]) => texts[name]).map(([name, label]) => {
    const button = element("button", {type: "button"}, label);
    button.addEventListener("click", () => {
      language = name;
      localStorage.setItem(key, name);
      shown.dispatchEvent(new Event("change"));
    });
    return [name, button];
  }));
  const show = () => {
    const name = buttons.has(language) ? language : buttons.keys().next().value;
    for (const [other, button] of buttons) button.setAttribute("aria-pressed", other === name);
    place.replaceChildren(code(texts[name]));
  };
  bar.append(...buttons.values());
  shown.addEventListener("change", show);
  show();
  return element("div", {class: "samples"}, bar, place);
}

// enliven turns the guide's texts, which are there without scripts too, into samples.
export function enliven(root) {
  for (const group of root.querySelectorAll(".samples")) {
    group.replaceWith(samples(Object.fromEntries([...group.querySelectorAll("pre")].map(pre => [pre.dataset.language, pre.textContent]))));
  }
}
