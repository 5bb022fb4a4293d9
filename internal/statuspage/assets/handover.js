// The token of the status page goes to the terminals that it has opened, and to nobody else; it is in no
// address and in no storage.

const asking = "nexterm.token", patience = 2000;
let terminals = [];

// openTerminal opens one beside this page; without a host, it lets people choose.
export function openTerminal(entry) {
  const opened = open(`/status/terminal.html${entry ? `#entry=${entry}` : ""}`, "_blank");
  terminals = terminals.filter(({closed}) => !closed);
  if (opened) terminals.push(opened);
}

export const terminalsOpen = () => terminals.some(({closed}) => !closed);

// hand answers those who ask with a token.
export function hand(token) {
  addEventListener("message", ({origin, source, data}) => {
    if (origin === location.origin && data === asking && terminals.includes(source)) source.postMessage({token: token()}, origin);
  });
}

// receive asks the page that has opened this one; nobody there, or nobody signed in, is an empty token.
export function receive() {
  return new Promise(resolve => {
    if (!opener) return resolve("");
    addEventListener("message", ({origin, source, data}) => {
      if (origin === location.origin && source === opener && typeof data?.token === "string") resolve(data.token);
    });
    setTimeout(resolve, patience, "");
    opener.postMessage(asking, location.origin);
  });
}
