import {code, element, json} from "./dom.js";
import {ask, token} from "./session.js";

const labelled = (name, input) => element("label", {}, element("code", {}, name), input);

// address fills in the path and the query; what is left empty is left out of the query.
function address(operation, form) {
  const value = parameter => form.elements[`parameter-${parameter.name}`].value;
  const query = new URLSearchParams();
  let path = operation.path;
  for (const parameter of operation.parameters) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value(parameter)));
    else if (parameter.in === "query" && value(parameter) !== "") query.set(parameter.name, value(parameter));
  }
  // The one kind of request that takes its token in the query.
  if (operation.security.some(requirement => requirement.queryToken) && token()) query.set("token", token());
  return query.size ? `${path}?${query}` : path;
}

async function send(operation, form) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (operation.body) headers["Content-Type"] = operation.body[0];
  const body = operation.body && (form.elements.body.files?.[0] ?? form.elements.body.value);
  const start = performance.now();
  const answer = await fetch(address(operation, form), {method: operation.method, headers, body, cache: "no-store", redirect: "manual"});
  const time = `${Math.round(performance.now() - start)} ms`;
  if (answer.type === "opaqueredirect") return [element("p", {}, "The answer is a redirect.")];
  const kind = answer.headers.get("Content-Type") ?? "";
  const text = kind.startsWith("image/") ? `${(await answer.blob()).size} bytes of ${kind}` : await answer.text();
  const more = ["X-Request-Id", "Retry-After"].filter(name => answer.headers.has(name)).map(name => `${name}: ${answer.headers.get(name)}`);
  return [
    element("p", {}, element("code", {class: "status", "data-kind": String(answer.status)[0]}, answer.status), ` in ${time}`),
    element("p", {class: "limits"}, more.join(", ")), text && code(kind.includes("json") ? json(JSON.parse(text)) : text),
  ];
}

// trial is a form that calls the operation on this server.
export function trial(operation, example) {
  const output = element("div", {class: "output", role: "status"});
  const form = element("form", {class: "trial", method: "post"}, element("h4", {}, "Try it"));
  for (const {in: place, name, required, example: shown, schema} of operation.parameters) {
    if (place === "cookie") continue;
    const text = String(shown ?? schema.example ?? "");
    form.append(labelled(name, element("input", {name: `parameter-${name}`, autocomplete: "off", spellcheck: "false", required, [required ? "value" : "placeholder"]: text})));
  }
  if (operation.body?.[0] === "application/json") {
    const input = element("textarea", {name: "body", spellcheck: "false", rows: Math.min(20, json(example).split("\n").length)});
    input.value = json(example);
    form.append(labelled("body", input));
  } else if (operation.body) {
    form.append(labelled("body", element("input", {name: "body", type: "file", required: true})));
  }
  const button = element("button", {class: "primary"}, "Send");
  form.append(element("p", {class: "send"}, button, element("span", {class: "limits"}, operation.method === "GET" ? "" : "It changes what is on this server.")), output);
  form.addEventListener("submit", async event => {
    event.preventDefault();
    if (!operation.public && !token() && !await ask()) return;
    button.disabled = true;
    try {
      output.replaceChildren(...await send(operation, form));
    } catch {
      output.replaceChildren(element("p", {class: "error"}, "The server does not answer."));
    }
    button.disabled = false;
  });
  return form;
}
