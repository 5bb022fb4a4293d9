// Live follows the caller's lists. What they hold is not read here: a change of the entries is a
// reason to ask for the overview.

const longestPause = 60_000;
// A connection that held for so long counts as a good one.
const steady = 30_000;

export class Live {
  #socket = null;
  #timer = 0;
  #failures = 0;
  #stopped = false;

  // changed is called when entries have, ended when the session has, connected with whether the
  // socket is open.
  constructor(token, {changed, ended, connected}) {
    this.open = () => {
      if (this.#stopped) return;
      const url = new URL("/api/ws/state", location.href);
      url.protocol = url.protocol.replace("http", "ws");
      url.searchParams.set("sessionToken", token);
      const socket = new WebSocket(url);
      this.#socket = socket;
      let since = Date.now();
      socket.addEventListener("open", () => {
        since = Date.now();
        connected(true);
      });
      socket.addEventListener("message", ({data}) => {
        // The list may be long, and only its name matters.
        if (data.startsWith('{"type":"ENTRIES"')) changed();
      });
      socket.addEventListener("close", ({code}) => {
        if (this.#stopped) return;
        connected(false);
        if (code === 4010) return ended();
        // Not a session's token, so an API key: only polling is left.
        if (code === 4001 || code === 4003) return;
        this.#failures = Date.now() - since > steady ? 1 : this.#failures + 1;
        const pause = Math.min(longestPause, 1000 * 2 ** (this.#failures - 1));
        // Jitter, so that the pages do not all come at once when a server is back.
        this.#timer = setTimeout(this.open, pause * (0.5 + Math.random()));
      });
    };
    this.open();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }
}
