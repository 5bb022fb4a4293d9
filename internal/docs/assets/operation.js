import {code, element, json, once, prose} from "./dom.js";
import {samples} from "./samples.js";
import {example, field, members, resolve} from "./schema.js";
import {trial} from "./trial.js";

const methods = ["get", "put", "post", "patch", "delete"];

// operations are those of the contract, with what they share with their path.
export function operations(contract) {
  return Object.entries(contract.paths).flatMap(([path, item]) => methods.filter(method => item[method]).map(method => ({
    ...item[method], method: method.toUpperCase(), path, id: item[method].operationId, tag: item[method].tags[0],
    parameters: [...item.parameters ?? [], ...item[method].parameters ?? []].map(resolve),
    body: Object.entries(item[method].requestBody ? resolve(item[method].requestBody).content : {})[0],
    public: item[method].security.some(requirement => Object.keys(requirement).length === 0) || item[method].security.length === 0,
  })));
}

export const badge = operation => element("span", {class: "method", "data-method": operation.method}, operation["x-websocket"] ? "WS" : operation.method);

function rights(operation) {
  const limited = operation["x-rate-limit"] ? " Calls are limited for each network." : "";
  const permission = [operation["x-permission"]].flat();
  if (permission[0] === "public") return [`Anybody may call it.${limited}`];
  const keys = operation.security.some(requirement => requirement.apiKeyToken) ? "a session token or an API key" : "a session token, not an API key";
  if (permission[0] === "by-row") return [`Takes ${keys}. It reaches what the account may see and change.`];
  return [`Takes ${keys}. The account needs `, ...permission.flatMap((name, i) => [i ? " and " : "", element("code", {}, name)]), "."];
}

// shown is the example of an answer, or of a body.
const shown = content => content?.example ?? example(content?.schema);

function answer(status, node) {
  const response = resolve(node);
  const content = Object.entries(response.content ?? {})[0];
  const head = [element("code", {class: "status", "data-kind": status[0]}, status === "default" ? "other" : status), " ", ...prose(response.description)];
  if (status[0] !== "2" || !content) return element("li", {}, ...head);
  return element("li", {}, ...head, once(element("details", {}, element("summary", {}, content[0])), () => members(content[1].schema)));
}

function content(operation, texts) {
  const of = place => operation.parameters.filter(parameter => parameter.in === place);
  const list = (title, parameters) => parameters.length ? [element("h4", {}, title), element("ul", {class: "fields"},
    ...parameters.map(parameter => field(parameter.name, parameter.schema, parameter.required, parameter.description)))] : [];
  const success = Object.entries(operation.responses).find(([status]) => status[0] === "2")?.[1];
  const answered = shown(Object.values(resolve(success).content ?? {})[0]);
  return element("div", {class: "columns"},
    element("div", {},
      ...prose(operation.description), element("p", {class: "rights"}, ...rights(operation)),
      ...list("In the path", of("path")), ...list("In the query", of("query")),
      ...operation.body ? [element("h4", {}, "Body"), element("p", {class: "type"}, operation.body[0] + (operation["x-body-limit"] ? `, at most ${operation["x-body-limit"] / 1024} KiB` : "")), ...members(operation.body[1].schema)] : [],
      element("h4", {}, "Answers"), element("ul", {class: "answers"}, ...Object.entries(operation.responses).map(([status, node]) => answer(status, node)))),
    element("div", {class: "aside"},
      samples(texts), ...answered === undefined ? [] : [element("h4", {}, "Answer"), code(typeof answered === "string" ? answered : json(answered))],
      operation["x-websocket"] ? undefined : trial(operation, shown(operation.body?.[1]))));
}

export function article(operation, texts) {
  return once(element("details", {class: "operation", id: operation.id},
    element("summary", {}, badge(operation), element("code", {class: "path"}, operation.path), element("span", {class: "title"}, operation.summary))),
  () => [content(operation, texts)]);
}
