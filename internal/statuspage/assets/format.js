const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function bytes(count) {
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return `${count.toFixed(unit === 0 || count >= 100 ? 0 : 1)} ${units[unit]}`;
}

export const percent = value => value === null ? "–" : `${Math.round(value)} %`;

export function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([length]) => seconds >= length);
  if (first < 0) return "0 s";
  const [length, unit] = parts[first];
  const whole = `${Math.floor(seconds / length)} ${unit}`;
  const rest = first < 2 ? Math.floor(seconds % length / parts[first + 1][0]) : 0;
  return rest > 0 ? `${whole} ${rest} ${parts[first + 1][1]}` : whole;
}

// The clocks of the server and of this device differ; what is "ago" goes by the server's.
let skew = 0;
export function heard(date) {
  if (!Number.isNaN(Date.parse(date))) skew = Date.parse(date) - Date.now();
}
export const now = () => Date.now() + skew;

export function ago(time) {
  const seconds = (now() - Date.parse(time)) / 1000;
  return seconds < 60 ? "just now" : `${duration(seconds)} ago`;
}

const clockFormat = new Intl.DateTimeFormat([], {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
export const clock = time => clockFormat.format(time);
