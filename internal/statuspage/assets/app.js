import {request} from "./api.js";
import {Detail} from "./detail.js";
import {byId, choice, setAttribute, setText} from "./dom.js";
import {clock} from "./format.js";
import {hand, openTerminal, terminalsOpen} from "./handover.js";
import {List} from "./list.js";
import {Live} from "./live.js";
import * as session from "./session.js";
import {states} from "./target.js";

const interval = 15_000;
// Changes that follow each other closely are one reason to load, and a list that takes long is not
// loaded without pause.
const debounce = 500, rest = 3;

const list = new List(byId("targets"));
const detail = new Detail({ask, rates: id => list.rates(id), terminal: openTerminal, closed: leaveTarget});
const filter = byId("filter");
let state = "all", live = null, following = false;
let timer = 0, due = Infinity, loading = false, again = false, etag = null, loaded = null, notBefore = 0;

const stateLabels = choice(byId("states"), "state", states, state, value => {
  state = value;
  arrange();
});
filter.addEventListener("input", event => { if (event.target.name === "text") arrange(); });
filter.addEventListener("submit", event => event.preventDefault());

// ask is a request of the signed-in; whoever is not any more goes back to the entrance.
async function ask(method, path, options) {
  const token = session.token();
  try {
    return await request(method, path, {...options, token});
  } catch (failure) {
    if (failure.status === 401 && token === session.token()) leave("You are signed out: the token does not hold any more.");
    throw failure;
  }
}

function arrange() {
  const {counts, shown} = list.arrange(filter.elements.text.value, state);
  for (const [value, label] of states) setText(stateLabels.get(value), `${label} ${counts[value]}`);
  const empty = byId("empty");
  if (shown > 0 || loaded === null) return setText(empty, "");
  setText(empty, list.size > 0 ? "No host matches." : "No host is monitored. Set monitoringEnabled in the config of an SSH server's entry, and it appears here.");
}

function showConnection(problem) {
  const node = byId("connection");
  setAttribute(node, "data-kind", problem ? "away" : following ? "live" : "polling");
  setText(node, problem ?? (loaded === null ? "Loading …" : following ? "Live" : "Every 15 seconds"));
  setAttribute(node, "title", loaded === null ? "" : `Last answer at ${clock(loaded)}`);
}

// schedule never puts off what is due sooner: changes without end would put it off for ever.
function schedule(pause) {
  const at = Math.max(Date.now() + pause, notBefore);
  if (at >= due) return;
  unschedule();
  due = at;
  timer = setTimeout(load, at - Date.now());
}

function unschedule() {
  clearTimeout(timer);
  due = Infinity;
}

async function load() {
  unschedule();
  const token = session.token();
  if (!token || document.hidden) return;
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  const began = Date.now();
  let pause = interval;
  try {
    const {body, etag: tag} = await ask("GET", "/api/monitoring", {etag});
    if (token !== session.token()) return;
    etag = tag;
    loaded = Date.now();
    if (body === null) list.redraw();
    else show(body);
    setText(byId("overview-error"), "");
    showConnection();
    detail.refresh();
  } catch (failure) {
    if (token !== session.token()) return;
    setText(byId("overview-error"), failure.message);
    showConnection(failure.status === 0 ? "Server away" : "Not up to date");
    pause = Math.max(pause, failure.retryAfter * 1000);
  } finally {
    loading = false;
    notBefore = Date.now() + Math.max(debounce, rest * (Date.now() - began));
    if (session.token()) schedule(again ? debounce : pause);
    again = false;
  }
}

function show(targets) {
  // The dialog asks for the processes of its host; those of all would only take memory.
  for (const {monitoring} of targets) monitoring.processList = null;
  list.update(targets);
  arrange();
  const open = detail.id !== null && list.target(detail.id);
  if (open) detail.update(open);
  else showTarget();
}

// The address names the target that is open, so that it can be linked to and left by going back.
function showTarget() {
  const target = list.target(location.hash.slice(1));
  if (target && target.id !== detail.id) detail.open(target);
  else if (!target && detail.id !== null) detail.close();
}
addEventListener("hashchange", showTarget);

function leaveTarget() {
  if (location.hash) history.replaceState(null, "", location.pathname);
}

function enter() {
  byId("entrance").hidden = true;
  byId("overview").hidden = byId("open-terminal").hidden = byId("sign-out").hidden = false;
  byId("overview").focus();
  showConnection();
  load();
  live = new Live(session.token(), {
    changed: () => schedule(debounce),
    ended: () => leave("You are signed out: the session has ended."),
    connected: open => {
      following = open;
      showConnection();
    },
  });
}

function leave(reason) {
  session.forget();
  live?.stop();
  unschedule();
  live = loaded = etag = null;
  following = again = false;
  notBefore = 0;
  detail.close();
  list.clear();
  byId("overview").hidden = byId("open-terminal").hidden = byId("sign-out").hidden = true;
  setText(byId("overview-error"), "");
  setText(byId("connection"), "");
  setAttribute(byId("connection"), "data-kind", "");
  byId("entrance").hidden = false;
  byId("code").hidden = true;
  setText(byId("entrance-error"), reason);
  if (reason) byId("entrance").focus();
}

// submitting runs what a form is for, once at a time, and shows why it failed.
function submitting(form, action) {
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    setText(byId("entrance-error"), "");
    try {
      if (await action(form.elements) === false) return;
      form.reset();
      byId("code").hidden = true;
      enter();
    } catch (failure) {
      setText(byId("entrance-error"), failure.message);
    } finally {
      button.disabled = false;
    }
  });
}

submitting(byId("password-form"), async ({username, password, code, keep}) => {
  if (await session.signIn(username.value, password.value, code.value.replaceAll(" ", ""), keep.checked)) return true;
  byId("code").hidden = false;
  code.focus();
  return false;
});
submitting(byId("token-form"), ({token, keep}) => session.useToken(token.value, keep.checked));

byId("sign-out").addEventListener("click", async () => {
  try {
    await session.signOut();
    leave("");
  } catch (failure) {
    setText(byId("overview-error"), `Still signed in: ${failure.message}`);
  }
});

hand(session.token);
byId("open-terminal").addEventListener("click", () => openTerminal());
// Leaving ends the session, and with it what its terminals show.
addEventListener("beforeunload", event => { if (session.endsWithPage() && terminalsOpen()) event.preventDefault(); });

document.addEventListener("visibilitychange", () => { if (!document.hidden) schedule(0); });
addEventListener("online", () => schedule(0));

if (session.token()) enter();
else leave("");
