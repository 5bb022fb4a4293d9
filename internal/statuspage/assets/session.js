import {Failure, request} from "./api.js";

// The token lives in memory, and in the tab's storage only when that was asked for. opened says
// that this page has opened the session, and so has to end it.
const key = "nexterm.status";

function restore() {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? {token: ""};
  } catch {
    return {token: ""};
  }
}

let session = restore();

export const token = () => session.token;

function begin(token, opened, keep) {
  session = {token, opened, keep};
  if (keep) sessionStorage.setItem(key, JSON.stringify(session));
}

export function forget() {
  session = {token: ""};
  sessionStorage.removeItem(key);
}

// signIn returns false when the account needs a code besides.
export async function signIn(username, password, code, keep) {
  const answer = await request("POST", "/api/auth/login", {body: code ? {username, password, code} : {username, password}});
  if (answer.status !== 200) return false;
  begin(answer.body.token, true, keep);
  return true;
}

export async function useToken(text, keep) {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Failure(401, "This is not a token.");
  await request("GET", "/api/account/me", {token});
  begin(token, false, keep);
}

// signOut ends the session if this page has opened it; a token that was brought along stays valid.
export async function signOut() {
  const {token, opened} = session;
  if (opened) {
    try {
      await request("POST", "/api/auth/logout", {body: {token}});
    } catch (failure) {
      if (failure.status !== 401) throw failure;
    }
  }
  forget();
}

export const endsWithPage = () => Boolean(session.opened && !session.keep);

// A session that only this page knows would be valid for ever, and of use to nobody.
addEventListener("pagehide", () => {
  if (!endsWithPage()) return;
  request("POST", "/api/auth/logout", {body: {token: session.token}, keepalive: true}).catch(() => {});
  forget();
});
// A page that comes back from the browser's memory finds itself signed out.
addEventListener("pageshow", event => {
  if (event.persisted) location.reload();
});
