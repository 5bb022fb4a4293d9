import {ago, bytes, duration, now, percent} from "./format.js";

export const states = [["all", "All"], ["error", "Error"], ["offline", "Offline"], ["unknown", "Unknown"], ["online", "Online"]];
export const nameOf = Object.fromEntries(states);

// stateOf joins what the status checker says with what became of the newest sample: a host that
// answers and cannot be collected from is a mistake that somebody has to look at.
export function stateOf({status, monitoring}) {
  const collected = monitoring.status;
  if (status === "offline") return "offline";
  if (collected === "error" || (collected === "offline" && status === "online")) return "error";
  return status === "unknown" ? collected ?? "unknown" : status;
}

export const addressOf = ({ip, port}) => ip === null ? "" : `${ip.includes(":") ? `[${ip}]` : ip}${port === null ? "" : `:${port}`}`;

export function systemOf({osInfo}) {
  return [osInfo?.name, osInfo?.version].filter(Boolean).join(" ");
}

// fileSystems are the mounted ones, the fullest first.
export function fileSystems({disk}) {
  return (disk ?? []).flatMap(({partitions}) => partitions)
    .filter(({mountPoint, size}) => mountPoint !== null && mountPoint !== "[SWAP]" && size > 0)
    .sort((a, b) => b.usagePercent - a.usagePercent);
}

// Values older than every interval that can be set belong to another time.
const stale = 10 * 60_000;

// remarkOf says what is wrong, or that the values are old.
export function remarkOf(target, state) {
  const {errorMessage, timestamp, lastSeen} = target.monitoring;
  const seen = lastSeen ? `Last seen ${ago(lastSeen)}.` : "";
  if (state === "online") return timestamp && now() - Date.parse(timestamp) > stale ? `Collected ${ago(timestamp)}.` : errorMessage ?? "";
  const reason = errorMessage ?? (state === "offline" ? "The host does not answer" : "Not checked yet");
  return [`${reason.replace(/\.$/, "")}.`, seen].filter(Boolean).join(" ");
}

// rankOf puts first what somebody has to look at.
export function rankOf({monitoring}, state) {
  if (state === "error" || state === "offline") return 0;
  const fullest = Math.max(monitoring.cpuUsage, monitoring.memoryUsage, fileSystems(monitoring)[0]?.usagePercent ?? 0);
  if (state === "online" && fullest >= 90) return 1;
  return state === "unknown" ? 2 : 3;
}

export function memoryText({memoryUsage, memoryTotal}) {
  return memoryUsage === null || memoryTotal === null ? percent(memoryUsage) : `${percent(memoryUsage)} of ${bytes(memoryTotal)}`;
}

export function loadText({loadAverage, uptime}) {
  return [
    loadAverage?.length ? `Load ${loadAverage.map(value => value.toFixed(2)).join(" ")}` : "",
    uptime === null ? "" : `Up ${duration(uptime)}`,
  ].filter(Boolean).join(" · ");
}

// rates are bytes per second between two snapshots, by interface; none where a counter went back.
export function rates(before, after) {
  const seconds = (Date.parse(after.timestamp) - Date.parse(before.timestamp)) / 1000;
  const result = new Map();
  if (!(seconds > 0)) return result;
  const old = new Map((before.network ?? []).map(item => [item.name, item]));
  for (const {name, rxBytes, txBytes} of after.network ?? []) {
    const was = old.get(name);
    if (!was || rxBytes < was.rxBytes || txBytes < was.txBytes) continue;
    result.set(name, {received: (rxBytes - was.rxBytes) / seconds, sent: (txBytes - was.txBytes) / seconds});
  }
  return result;
}

// networkText tells of the interface that has carried most: sums would count bridges twice.
export function networkText({network}, known) {
  const busiest = (network ?? []).reduce((a, b) => a && a.rxBytes + a.txBytes >= b.rxBytes + b.txBytes ? a : b, null);
  if (!busiest) return "";
  const rate = known?.get(busiest.name);
  return rate ? `${busiest.name} ↓ ${bytes(rate.received)}/s ↑ ${bytes(rate.sent)}/s` : `${busiest.name} ↓ ${bytes(busiest.rxBytes)} ↑ ${bytes(busiest.txBytes)}`;
}
