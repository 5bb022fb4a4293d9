import {duration, heard} from "./format.js";

// Failure is an answer other than the one that was asked for; status 0 means that there was none.
export class Failure extends Error {
  constructor(status, message, retryAfter = 0) {
    super(retryAfter > 1 ? `${message} Next try in ${duration(Math.ceil(retryAfter / 60) * 60)}.` : message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

// request returns the status, the body and the entity tag. It knows no paths but those of the
// public API.
export async function request(method, path, {token, body, etag, keepalive = false} = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  if (etag) headers["If-None-Match"] = etag;
  let answer, content;
  try {
    answer = await fetch(path, {
      method, headers, keepalive, body: body && JSON.stringify(body), cache: "no-store", redirect: "error", signal: AbortSignal.timeout(60_000),
    });
    content = answer.status === 304 ? null : await answer.json();
  } catch {
    // What answers without JSON is a proxy whose server is away.
    throw new Failure(0, "The server does not answer.");
  }
  heard(answer.headers.get("Date"));
  if (answer.status >= 400) {
    const message = typeof content?.message === "string" ? content.message : `The server answered ${answer.status}.`;
    throw new Failure(answer.status, message, Number(answer.headers.get("Retry-After")) || 0);
  }
  return {status: answer.status, body: content, etag: answer.headers.get("ETag")};
}
