import {element, once, prose} from "./dom.js";

let components = {};
export const use = contract => { components = contract.components; };

// resolve follows a reference, and keeps the name that it led to.
export function resolve(node) {
  if (!node?.$ref) return node ?? {};
  const [, , kind, name] = node.$ref.split("/");
  return {name, ...components[kind][name]};
}

const alternatives = schema => schema.oneOf ?? schema.anyOf;

// parts are the properties of a schema, those of all that it is made of included.
function parts(schema) {
  const all = [schema, ...(schema.allOf ?? []).map(resolve)];
  return {
    properties: Object.assign({}, ...all.map(part => part.properties)),
    required: all.flatMap(part => part.required ?? []),
  };
}

function typeOf(node) {
  const schema = resolve(node);
  if (alternatives(schema)) return alternatives(schema).map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.properties || schema.allOf) return schema.name ?? "object";
  if (typeof schema.additionalProperties === "object") return `object of ${typeOf(schema.additionalProperties)}`;
  return (schema.format === "date-time" ? "time" : schema.format === "binary" ? "bytes" : schema.type) ?? "any";
}

function range(min, max, unit) {
  if (min === undefined && max === undefined) return undefined;
  const text = min === max ? `${min}` : min === undefined ? `at most ${max}` : max === undefined ? `at least ${min}` : `${min} to ${max}`;
  return `${text}${unit}`;
}

// limits are the rules for a value, as texts.
function limits(schema) {
  return [
    schema.nullable && "or null",
    range(schema.minLength || undefined, schema.maxLength, " characters"),
    range(schema.minimum, schema.maximum === Number.MAX_SAFE_INTEGER || schema.maximum > 2 ** 53 ? undefined : schema.maximum, ""),
    range(schema.minItems || undefined, schema.maxItems, " items"),
    schema.uniqueItems && "none twice",
    schema.pattern && `matches ${schema.pattern}`,
    schema.default !== undefined && `${JSON.stringify(schema.default)} if absent`,
  ].filter(Boolean).join(", ");
}

function values(schema) {
  const texts = schema.enum?.filter(value => value !== null).map(value => element("code", {}, JSON.stringify(value)));
  if (!texts) return undefined;
  const list = element("p", {class: "values"}, ...texts);
  return texts.length <= 12 ? list : element("details", {}, element("summary", {}, `${texts.length} values`), list);
}

// inside is what a value is made of in turn.
function inside(node) {
  const schema = resolve(node);
  const inner = schema.type === "array" ? schema.items : typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  if (inner) return inside(inner);
  if (alternatives(schema)?.some(other => inside(other))) return [schema, () => alternatives(schema).flatMap(other => [element("h5", {}, typeOf(other)), ...members(other)])];
  return Object.keys(parts(schema).properties).length > 0 ? [schema, () => members(node)] : undefined;
}

export function field(name, node, required, description) {
  const schema = resolve(node);
  const inner = inside(node);
  return element("li", {},
    element("p", {}, element("code", {class: "name"}, name), " ", element("span", {class: "type"}, typeOf(node)),
      required && element("span", {class: "required"}, "required") || undefined, element("span", {class: "limits"}, limits(schema))),
    ...prose(description ?? schema.description),
    values(schema.type === "array" ? resolve(schema.items) : schema),
    inner && once(element("details", {}, element("summary", {}, `Members of ${inner[0].name ?? "it"}`)), inner[1]));
}

// members describes what a schema has.
export function members(node) {
  const schema = resolve(node);
  if (schema.type === "array") return [element("p", {class: "type"}, typeOf(node)), ...members(schema.items)];
  if (alternatives(schema)) return alternatives(schema).map(other => once(element("details", {}, element("summary", {}, typeOf(other))), () => members(other)));
  const {properties, required} = parts(schema);
  const names = Object.keys(properties);
  if (names.length === 0) return [element("p", {class: "type"}, typeOf(node)), ...prose(schema.description)];
  return [element("ul", {class: "fields"}, ...names.map(name => field(name, properties[name], required.includes(name))))];
}

// example is what the contract shows of a schema.
export function example(node) {
  const schema = resolve(node);
  if (schema.example !== undefined) return schema.example;
  if (schema.type === "array") return [example(schema.items)];
  return alternatives(schema) ? example(alternatives(schema)[0]) : undefined;
}
