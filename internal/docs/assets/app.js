import {byId, element, prose} from "./dom.js";
import {article, badge, operations} from "./operation.js";
import {enliven} from "./samples.js";
import {use} from "./schema.js";
import "./session.js";

for (const place of document.querySelectorAll(".origin")) place.textContent = location.origin;
enliven(byId("guide"));

const contents = byId("contents"), wide = matchMedia("(min-width: 60rem)");
const arrange = () => { contents.open = wide.matches; };
wide.addEventListener("change", arrange);
arrange();
contents.addEventListener("click", event => {
  if (event.target.closest("a") && !wide.matches) contents.open = false;
});

// reveal opens the operation that the address names, also as older links do: #/tag/operation.
function reveal() {
  const node = byId(decodeURIComponent(location.hash).split(/[#/]/).pop());
  for (const link of contents.querySelectorAll("a")) {
    const current = link.hash === `#${node?.id}`;
    link.ariaCurrent = current ? "location" : null;
    if (current && link.closest(".group")) link.closest(".group").open = true;
  }
  // It is as high as it will be when it is filled.
  node?.addEventListener("toggle", () => node.scrollIntoView(), {once: true});
  if (node?.matches("details:not([open])")) node.open = true;
  else node?.scrollIntoView();
}

function search(all) {
  const words = byId("search").value.toLowerCase().split(/\s+/);
  for (const {operation, nodes} of all) {
    const text = `${operation.id} ${operation.method} ${operation.path} ${operation.summary} ${operation.tag}`.toLowerCase();
    for (const node of nodes) node.hidden = !words.every(word => text.includes(word));
  }
  for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector(".entry:not([hidden])");
  for (const group of contents.querySelectorAll("details")) group.open = byId("search").value !== "" && !group.hidden;
  byId("guide").hidden = byId("search").value !== "";
  byId("nothing").hidden = all.some(({nodes}) => !nodes[0].hidden);
}

async function load() {
  const [contract, samples] = await Promise.all(["/api/openapi.json", "/api/docs/samples.json"].map(async url => (await fetch(url)).json()));
  use(contract);
  byId("version").textContent = contract.info.version;
  const all = operations(contract).map(operation => ({operation}));
  for (const tag of contract.tags) {
    const own = all.filter(({operation}) => operation.tag === tag.name);
    const title = tag["x-displayName"] ?? tag.name[0].toUpperCase() + tag.name.slice(1);
    for (const one of own) {
      const link = element("li", {class: "entry"}, element("a", {href: `#${one.operation.id}`}, badge(one.operation), one.operation.summary));
      const node = article(one.operation, samples[one.operation.id]);
      node.classList.add("entry");
      one.nodes = [node, link];
    }
    byId("reference").append(element("section", {class: "group"},
      element("h3", {id: `tag-${tag.name}`}, title), ...prose(tag.description), ...own.map(({nodes}) => nodes[0])));
    byId("operations").append(element("details", {class: "group"},
      element("summary", {}, title), element("ul", {}, ...own.map(({nodes}) => nodes[1]))));
  }
  byId("search").addEventListener("input", () => search(all));
  byId("reference").addEventListener("click", event => {
    const opened = event.target.closest(".operation:not([open]) > summary")?.parentElement;
    if (opened) history.replaceState(null, "", `#${opened.id}`);
  });
  reveal();
  addEventListener("hashchange", reveal);
}

load().catch(() => { byId("failure").hidden = false; });
