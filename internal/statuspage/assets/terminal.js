import {request} from "./api.js";
import {byId, element, setAttribute, setText} from "./dom.js";
import {ago} from "./format.js";
import {receive} from "./handover.js";
import {hostsOf, isTerminal} from "./hosts.js";
import {Link} from "./link.js";
import {Screen} from "./screen.js";
import * as session from "./session.js";

const form = byId("choice"), {entry, identity, username, reason} = form.elements;
const another = "another";
let token = "", hosts = [], identities = new Map();
let screen = null, link = null, connection = null;

const ask = (method, path, body) => request(method, path, {token, body});
const place = () => new URLSearchParams(location.hash.slice(1));

function visit(hash) {
  history.replaceState(null, "", `${location.pathname}${hash}`);
}

function name(text) {
  setText(byId("place"), text || "Terminal");
  document.title = text ? `${text} – Nexterm terminal` : "Nexterm terminal";
}

function showState(kind, text) {
  setAttribute(byId("connection"), "data-kind", kind);
  setText(byId("connection"), text);
}

function fillHosts() {
  entry.replaceChildren(...[...Map.groupBy(hosts, ({owner}) => owner)].map(([label, members]) => element("optgroup", {label},
    ...members.map(({id, label: text}) => element("option", {value: id}, text)))));
}

const host = () => hosts.find(({id}) => String(id) === entry.value);

// fillIdentities offers those of the host, its default first, and a login for this once.
function fillIdentities() {
  const chosen = host();
  const known = chosen?.identities.map(id => element("option", {value: id}, identities.get(id) ?? `Identity ${id}`)) ?? [];
  identity.replaceChildren(...known, element("option", {value: another}, "Another user …"));
  byId("reason").hidden = !(reason.required = chosen?.demanding ?? false);
  fillLogin();
}

function fillLogin() {
  identity.parentElement.hidden = host()?.telnet ?? false;
  byId("username").hidden = byId("password-hint").hidden = !(username.required = !host()?.telnet && identity.value === another);
}

function fillRunning(connections) {
  const items = connections.filter(({entryId, status, configuration: {type, scriptId}}) =>
    status !== "failed" && type !== "sftp" && scriptId === null && hosts.some(({id}) => id === entryId)).map(({sessionId, entryId, createdAt}) => {
    const open = element("a", {href: `#connection=${sessionId}`}, hosts.find(({id}) => id === entryId).name);
    return element("li", {}, open, `, opened ${ago(createdAt)}`);
  });
  byId("running").querySelector("ul").replaceChildren(...items);
  byId("running").hidden = items.length === 0;
}

// choose shows what there is to connect to, and leaves the connection that is shown, which goes on.
async function choose() {
  link?.stop();
  connection = null;
  form.hidden = byId("running").hidden = byId("session").hidden = byId("end").hidden = byId("reader").hidden = true;
  byId("start").hidden = false;
  name("");
  showState("", "");
  setText(byId("start-error"), "");
  byId("signed-out").hidden = token !== "";
  if (token === "") return byId("start").focus();
  try {
    const [tree, all, connections] = await Promise.all(["/api/entries/list", "/api/identity/list", "/api/connections"].map(path => ask("GET", path)));
    hosts = hostsOf(tree.body);
    identities = new Map(all.body.map(({id, name, username}) => [id, username ? `${name} (${username})` : name]));
    fillHosts();
    fillRunning(connections.body);
    form.hidden = hosts.length === 0;
    const wanted = place().get("entry");
    if (wanted && hosts.some(({id}) => String(id) === wanted)) entry.value = wanted;
    else if (wanted) setText(byId("start-error"), "This host has no terminal, or is not yours to see.");
    if (hosts.length === 0) setText(byId("start-error"), "There is no host that is reached by SSH or Telnet.");
    fillIdentities();
    entry.focus();
  } catch (failure) {
    setText(byId("start-error"), failure.message);
  }
}

async function connect() {
  const body = {entryId: host().id, type: "terminal"};
  if (!host().telnet) {
    if (identity.value === another) body.directIdentity = {type: "password", username: username.value};
    else body.identityId = Number(identity.value);
  }
  if (reason.value) body.connectionReason = reason.value;
  const {body: {sessionId}} = await ask("POST", "/api/connections", body);
  attach(sessionId, host().name);
}

// attach shows a connection, a new one or one that goes on.
function attach(id, title) {
  connection = id;
  visit(`#connection=${id}`);
  name(title);
  byId("start").hidden = byId("over").hidden = true;
  byId("session").hidden = byId("end").hidden = byId("reader").hidden = false;
  screen ??= new Screen(byId("screen"), {send: frame => link?.send(frame), left: () => byId("end").focus()});
  showState("", "Connecting …");
  link?.stop();
  link = new Link(token, id, {
    show: (frame, done) => screen.show(frame, done),
    opened() {
      screen.reset();
      showState("live", "Connected to the server");
    },
    waits: () => showState("away", "Server away, trying again …"),
    ended: over,
  });
  screen.focus();
}

function over(code, words) {
  // A connection that an API key has opened would go on with nobody to see it.
  if (code === 4003) ask("DELETE", `/api/connections/${connection}`).catch(() => {});
  if (code === 4010) token = "";
  connection = null;
  showState("away", "Ended");
  byId("end").hidden = true;
  byId("over").hidden = false;
  setText(byId("words"), words);
  byId("again").hidden = !host();
  byId(host() ? "again" : "other").focus();
}

async function follow() {
  const id = place().get("connection");
  if (id === connection && id !== null) return;
  if (id === null || token === "") return choose();
  try {
    const {body: {server, type, scriptId}} = await ask("GET", `/api/connections/${encodeURIComponent(id)}`);
    if (!isTerminal(server.protocol) || type === "sftp" || scriptId) throw new Error("This connection is no terminal.");
    attach(id, server.name);
  } catch (failure) {
    visit("");
    await choose();
    setText(byId("start-error"), failure.message);
  }
}

// attempt runs what a button is for, once at a time, and says why it has failed.
async function attempt(button, action, failed) {
  button.disabled = true;
  try {
    await action();
  } catch (failure) {
    failed(failure.message);
  } finally {
    button.disabled = false;
  }
}

entry.addEventListener("change", fillIdentities);
identity.addEventListener("change", fillLogin);
form.addEventListener("submit", event => {
  event.preventDefault();
  attempt(form.querySelector("button"), connect, text => setText(byId("start-error"), text));
});
byId("again").addEventListener("click", ({target}) => attempt(target, connect, text => setText(byId("words"), text)));
byId("other").addEventListener("click", () => {
  visit("");
  choose();
});
byId("reader").addEventListener("change", ({target}) => {
  screen.screenReader = target.checked;
  screen.focus();
});
const ending = byId("ending");
byId("end").addEventListener("click", () => ending.showModal());
byId("ending-no").addEventListener("click", () => ending.close());
byId("ending-yes").addEventListener("click", ({target}) => attempt(target, async () => {
  // The socket says when it has ended.
  await ask("DELETE", `/api/connections/${connection}`);
  ending.close();
}, text => {
  ending.close();
  showState("away", text);
}));
ending.addEventListener("close", () => { if (connection !== null) screen.focus(); });
addEventListener("hashchange", follow);

token = session.token() || await receive();
follow();
