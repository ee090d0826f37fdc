/** Which fault befalls which request, made from a seed. */
import type { Fault, FaultProxyOptions } from "../support/fault_proxy.ts";
import type { RequestHead } from "../support/http_wire.ts";
import type { Random } from "../support/images.ts";

/** How bad one round is. */
export interface Weather {
  /** Of so many requests one meets a fault, on average. */
  readonly oneIn: number;
  /** So many faults and no more, per proxy. */
  readonly most: number;
}

const POSITIONS = [0, 1, 60, 700, 5_000, 40_000, 150_000, 2_000_000, 9_000_000];

/** Draws the weather of a round: from one fault in all to nearly every request. */
export function drawWeather(random: Random): Weather {
  return { oneIn: pick(random, [2, 4, 8, 16, 40]), most: pick(random, [1, 2, 4, 8, 20]) };
}

/** A script that draws a fault for some of the requests. */
export function drawScript(random: Random, weather: Weather): NonNullable<FaultProxyOptions["script"]> {
  let left = weather.most;
  return (request) => {
    if (left <= 0 || random.next(weather.oneIn) > 0) return undefined;
    const fault = drawFault(random, request);
    if (fault) left--;
    return fault;
  };
}

/**
 * A read that is answered with other bytes can be noticed only where the address says what the bytes are: a digest. What
 * a tag means nobody can check but by TLS, so lies about tags are left out.
 */
function drawFault(random: Random, request: RequestHead): Fault | undefined {
  const at = pick(random, POSITIONS) + random.next(50);
  const namesBytes = /sha256[:/][0-9a-f]{64}/.test(request.path) && !request.path.includes("manifest.json");
  const isRead = request.method === "GET";
  const hasBody = request.bodyBytes > 0;
  const side = hasBody && random.next(3) > 0 ? "request" : "answer";
  const position = side === "request" ? Math.min(at, request.bodyBytes - 1) : at;
  switch (random.next(16)) {
    case 0:
    case 1:
    case 2:
      return { kind: "reset", side, at: position };
    case 3:
      return { kind: "lost-answer" };
    case 4:
      // Each costs a whole wait.
      return random.next(3) === 0 ? { kind: "stall", side, at: position } : { kind: "reset", side, at: position };
    case 5:
      return { kind: "drip", delayMs: 1 + random.next(5) };
    case 6:
      return { kind: "status", status: pick(random, [500, 502, 503, 504]) };
    case 7:
      return { kind: "status", status: pick(random, [429, 503]), retryAfter: pick(random, ["0", "0.02", "0.2"]) };
    case 8:
    case 9:
      return { kind: "truncate", at };
    case 10:
      return side === "request" || (namesBytes && isRead) ? { kind: "flip", side, at: position } : undefined;
    case 11:
      return { kind: "wrong-length", delta: pick(random, [-1, 1, 100, 100_000]) };
    case 12:
      return { kind: "wrong-range", delta: pick(random, [1, 4096]) };
    case 13:
      return { kind: "duplicate" };
    case 14:
      return isRead && namesBytes ? pick(random, [{ kind: "reordered" }, { kind: "dns" }] as const) : undefined;
    default:
      return { kind: "expired" };
  }
}

/** One of a list. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.next(list.length)]!;
}
