import {byId} from "./dom.js";

// The token lives in this page's memory alone. opened says that the page has opened the session, and
// so has to end it.
let session = {token: ""};
export const token = () => session.token;

const dialog = byId("authorize-dialog"), button = byId("authorize"), error = byId("authorize-error");
const passwordForm = byId("authorize-form"), tokenForm = byId("token-form"), code = passwordForm.elements.code;

async function call(method, path, {token, body, keepalive} = {}) {
  const headers = {"Content-Type": "application/json"};
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, {method, headers, keepalive, body: body && JSON.stringify(body), cache: "no-store"});
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.message);
  return content;
}

async function signIn() {
  const {username, password} = passwordForm.elements;
  const answer = await call("POST", "/api/auth/login", {body: {username: username.value, password: password.value, ...code.value && {code: code.value}}});
  if (answer.token) return {token: answer.token, opened: true};
  code.closest("label").hidden = false;
  code.focus();
  return undefined;
}

const handlers = [[passwordForm, signIn], [tokenForm, async () => ({token: tokenForm.elements.token.value.trim()})]];
for (const [form, begin] of handlers) {
  form.addEventListener("submit", async event => {
    event.preventDefault();
    error.hidden = true;
    try {
      const begun = await begin();
      if (!begun) return;
      const me = await call("GET", "/api/account/me", {token: begun.token});
      session = begun;
      button.textContent = "Sign out";
      button.title = `Signed in as ${me.firstName} ${me.lastName}`;
      dialog.close();
    } catch (failure) {
      error.textContent = failure.name === "Error" ? failure.message : "The server does not answer, or this is no token.";
      error.hidden = false;
    }
  });
}

byId("authorize-cancel").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  passwordForm.reset();
  tokenForm.reset();
  code.closest("label").hidden = error.hidden = true;
});

// forget ends the session if this page has opened it; a token that was brought along stays valid.
function forget() {
  const {token, opened} = session;
  session = {token: ""};
  button.textContent = "Authorize";
  button.title = "";
  if (opened) call("POST", "/api/auth/logout", {body: {token}, keepalive: true}).catch(() => {});
}
button.addEventListener("click", () => session.token ? forget() : ask());
addEventListener("pagehide", forget);

// ask opens the dialog, and says in the end whether there is a token now.
export function ask() {
  dialog.showModal();
  return new Promise(done => dialog.addEventListener("close", () => done(session.token !== ""), {once: true}));
}
