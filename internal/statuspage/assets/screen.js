import {FitAddon} from "./xterm-fit.js";
import {Terminal} from "./xterm.js";

const light = {background: "#ffffff", foreground: "#1a1f29", cursor: "#314bd3", cursorAccent: "#ffffff", selectionBackground: "#c3cdf7"};
const dark = {background: "#11141a", foreground: "#e5e9f0", cursor: "#93a5ff", cursorAccent: "#11141a", selectionBackground: "#38446f"};
const isDark = matchMedia("(prefers-color-scheme: dark)");

// What hosts ask is as secret as a password; the server's own questions about host keys are not.
const harmless = /\n(?:Answer yes|Type replace) to trust [^\n]*$/;
// As much as the server takes of an answer, and half of a frame where each character has three bytes.
const longestAnswer = 4096, longestFrame = 170_000;
const encoder = new TextEncoder();

// Screen is the terminal: what a host prints, what people type, and questions that are answered in it.
export class Screen {
  #terminal;
  #send;
  #fit = new FitAddon();
  // The answer as far as it is typed; null while nothing is asked.
  #line = null;
  #shown = false;

  // send takes frames as the server wants them.
  constructor(node, {send, left}) {
    this.#send = send;
    const terminal = this.#terminal = new Terminal({
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches, scrollback: 5000, minimumContrastRatio: 4.5,
      fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace', fontSize: 14, theme: isDark.matches ? dark : light,
    });
    // Hosts print text. They set no links (OSC 8), whose address is not the one that is seen, and nothing in the
    // clipboard (OSC 52); titles (OSC 0, 1, 2) could pass for another host's.
    for (const code of [0, 1, 2, 8, 52]) terminal.parser.registerOscHandler(code, () => true);
    terminal.loadAddon(this.#fit);
    terminal.open(node);
    terminal.onData(text => this.#line === null ? this.#type(text) : this.#answer(text));
    terminal.onBinary(text => { if (this.#line === null) send(Uint8Array.from(text, char => char.charCodeAt(0))); });
    terminal.onResize(() => this.#tellSize());
    terminal.attachCustomKeyEventHandler(event => this.#key(event, left));
    new ResizeObserver(() => this.#fit.fit()).observe(node);
    isDark.addEventListener("change", () => { terminal.options.theme = isDark.matches ? dark : light; });
  }

  set screenReader(on) { this.#terminal.options.screenReaderMode = on; }
  focus() { this.#terminal.focus(); }
  #tellSize() { this.#send(`\x01${this.#terminal.cols},${this.#terminal.rows}`); }

  // reset makes room for all that there was, which a socket begins with. It comes after what is not drawn yet.
  reset() {
    this.#line = null;
    this.#terminal.write("\x1bc");
    this.#fit.fit();
    this.#tellSize();
  }

  // show takes a frame; done is called when it is drawn.
  show(frame, done) {
    if (!frame.startsWith("\x02")) return this.#terminal.write(frame, done);
    this.#line = "";
    this.#shown = harmless.test(frame.replaceAll("\r", ""));
    this.#terminal.write(frame.slice(1), done);
  }

  #type(text) {
    for (let from = 0, to; from < text.length; from = to) {
      to = Math.min(text.length, from + longestFrame);
      // A character of two units stays whole.
      if (to < text.length && /[\ud800-\udbff]/.test(text[to - 1])) to--;
      this.#send(text.slice(from, to));
    }
  }

  #answer(text) {
    text = text.replaceAll(/\x1b\[20[01]~/g, "");
    // Arrows and the like, and what the terminal itself answers to hosts.
    if (text.startsWith("\x1b")) return;
    for (const char of text) {
      if (char === "\x03") {
        this.#line = null;
        this.#terminal.write("^C\r\n");
        return this.#send("\x03");
      }
      if (char === "\r" || char === "\n") {
        // The server takes the Enter for a part of the answer, and without it an empty one for a refusal.
        this.#send(`\x03${this.#line}`);
        this.#send("\r");
        this.#line = null;
        return this.#terminal.write("\r\n");
      }
      if (char === "\x7f" || char === "\b") {
        if (this.#line !== "" && this.#shown) this.#terminal.write("\b \b");
        this.#line = [...this.#line].slice(0, -1).join("");
      } else if (char >= " " && encoder.encode(this.#line + char).length <= longestAnswer) {
        this.#line += char;
        if (this.#shown) this.#terminal.write(char);
      }
    }
  }

  // Keys that are the page's; a terminal takes all others, the tabulator too.
  #key(event, left) {
    const leaves = event.ctrlKey && event.key === "F6";
    const copies = event.ctrlKey && event.shiftKey && event.code === "KeyC";
    if (!leaves && !copies) return !(event.ctrlKey && event.shiftKey && event.code === "KeyV");
    event.preventDefault();
    if (event.type === "keydown" && leaves) left();
    // Which works without https, unlike the clipboard's own interface.
    if (event.type === "keydown" && copies) document.execCommand("copy");
    return false;
  }
}
