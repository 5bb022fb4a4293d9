// Link keeps a socket to a connection open. The connection goes on without it, so a socket that is lost
// is opened again, and begins with the output that there was.

const longestPause = 30_000;
// More than this, in characters, does not wait for being drawn: the end of it is to be had anew. A socket
// begins with less.
const mostWaiting = 1 << 20;
// Codes after which the connection may still be there.
const passing = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014, 4014]);

const words = {
  1000: "The connection has ended.",
  1008: "The server has closed the terminal.",
  1009: "Too much was sent at once.",
  4001: "You are not signed in.",
  4003: "Terminals need a sign-in: an API key opens none, and a session may have ended.",
  4005: "You may not use this host any more.",
  4007: "This connection is not there any more.",
  4009: "This connection is no terminal.",
  4010: "You are signed out, which has ended the connection.",
  4013: "This link leads nowhere.",
  4015: "This connection cannot be shared.",
  4016: "The connection has ended, or is not shared any more.",
  4017: "The connection has failed.",
};

// explain says why a socket was closed; a reason says more than the code where hosts are the cause.
export function explain(code, reason) {
  const text = words[code] ?? `The server has closed the terminal with code ${code}.`;
  return [1008, 4017].includes(code) && reason ? `${text} ${reason.replace(/\.?$/, ".")}` : text;
}

export class Link {
  #socket = null;
  #timer = 0;
  #failures = 0;
  #waiting = 0;
  #behind = false;
  #stopped = false;

  // show draws a frame, opened is called with each new socket, waits when one is lost, and ended when
  // there is nothing more to come.
  constructor(token, id, {show, opened, waits, ended}) {
    this.open = () => {
      if (this.#stopped) return;
      clearTimeout(this.#timer);
      this.#socket?.close();
      const url = new URL("/api/ws/term", location.href);
      url.protocol = url.protocol.replace("http", "ws");
      url.searchParams.set("sessionToken", token);
      url.searchParams.set("sessionId", id);
      const socket = this.#socket = new WebSocket(url);
      this.#behind = false;
      socket.addEventListener("open", () => { if (socket === this.#socket) opened(); });
      socket.addEventListener("message", ({data}) => {
        if (socket !== this.#socket || this.#behind) return;
        this.#failures = 0;
        this.#waiting += data.length;
        show(data, () => {
          this.#waiting -= data.length;
          if (this.#behind && this.#waiting === 0) this.open();
        });
        // What is typed still goes over this socket.
        this.#behind = this.#waiting > mostWaiting;
      });
      socket.addEventListener("close", ({code, reason}) => {
        if (socket !== this.#socket || this.#stopped) return;
        if (!passing.has(code)) {
          this.#stopped = true;
          return ended(code, explain(code, reason));
        }
        waits();
        const pause = Math.min(longestPause, 500 * 2 ** this.#failures++);
        // Jitter, so that not all come at once when a server is back.
        this.#timer = setTimeout(this.open, pause * (0.5 + Math.random()));
      });
    };
    addEventListener("online", () => { if (this.#socket.readyState === WebSocket.CLOSED) this.open(); });
    this.open();
  }

  send(frame) { if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(frame); }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }
}
