import { isIP } from "node:net";
import type { Proxy } from "./proxy.ts";
import { basicProxyAuthorization, ProxyRefusal } from "./proxy_refusal.ts";

/** Longest head of a proxy's answer. */
const MAX_HEAD_BYTES = 16 * 1024;

/** What the answers of a SOCKS proxy mean. Spec: RFC 1928, section 6. */
const SOCKS_REPLIES = [
  "",
  "it failed",
  "its rules do not allow it",
  "the network is unreachable",
  "the host is unreachable",
  "the connection is refused",
  "it took too long",
  "it does not know the command",
  "it does not know that kind of address",
];

/**
 * Has a proxy connect to a host, over an open connection to the proxy: from then on the connection leads there. Throws
 * `ProxyRefusal`. Spec: RFC 9110, section 9.3.6; RFC 1928, RFC 1929.
 */
export async function openTunnel(connection: Deno.Conn, proxy: Proxy, hostname: string, port: number): Promise<void> {
  if (proxy.scheme === "socks5") await socksConnect(connection, proxy, hostname, port);
  else await httpConnect(connection, proxy, `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
}

async function httpConnect(connection: Deno.Conn, proxy: Proxy, host: string): Promise<void> {
  const authorization = basicProxyAuthorization(proxy);
  const lines = [
    `CONNECT ${host} HTTP/1.1`,
    `Host: ${host}`,
    ...(authorization === undefined ? [] : [`Proxy-Authorization: ${authorization}`]),
  ];
  await writeAll(connection, new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const head = await readHead(connection, proxy);
  const [, status = "", words = ""] = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]*))?/.exec(head) ?? [];
  if (!status.startsWith("2")) throw new ProxyRefusal(proxy, Number(status), words);
}

/** Reads up to the empty line and nothing beyond it: what follows is the other host's. */
async function readHead(connection: Deno.Conn, proxy: Proxy): Promise<string> {
  const one = new Uint8Array(1);
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    const isOver = head.length >= MAX_HEAD_BYTES || await connection.read(one) === null;
    if (isOver) throw new ProxyRefusal(proxy, 0, "no answer of HTTP");
    head += String.fromCharCode(one[0]!);
  }
  return head;
}

async function socksConnect(connection: Deno.Conn, proxy: Proxy, hostname: string, port: number): Promise<void> {
  const { credentials } = proxy;
  await writeAll(connection, new Uint8Array(credentials ? [5, 2, 0, 2] : [5, 1, 0]));
  const [, method] = await readExactly(connection, 2, proxy);
  if (method === 2 && credentials) {
    const [user, password] = [credentials.username, credentials.password].map((text) => bytesOf(text, proxy));
    await writeAll(connection, new Uint8Array([1, user!.length, ...user!, password!.length, ...password!]));
    const [, status] = await readExactly(connection, 2, proxy);
    if (status !== 0) throw new ProxyRefusal(proxy, 407, "");
  } else if (method !== 0) throw new ProxyRefusal(proxy, 407, "");
  // The proxy looks the name up: it may know hosts that this machine does not.
  await writeAll(connection, new Uint8Array([5, 1, 0, ...socksAddress(hostname, proxy), port >> 8, port & 0xff]));
  const [version, reply = 0, , kind] = await readExactly(connection, 4, proxy);
  if (version !== 5 || reply !== 0) throw new ProxyRefusal(proxy, 0, SOCKS_REPLIES[reply] ?? `its answer was ${reply}`);
  const length = kind === 1 ? 4 : kind === 4 ? 16 : (await readExactly(connection, 1, proxy))[0]!;
  await readExactly(connection, length + 2, proxy);
}

function socksAddress(hostname: string, proxy: Proxy): readonly number[] {
  if (isIP(hostname) === 4) return [1, ...hostname.split(".").map(Number)];
  const name = bytesOf(hostname, proxy);
  return [3, name.length, ...name];
}

function bytesOf(text: string, proxy: Proxy): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > 255) throw new ProxyRefusal(proxy, 0, "a name is too long for it");
  return bytes;
}

async function readExactly(connection: Deno.Conn, length: number, proxy: Proxy): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let read = 0; read < length;) {
    const count = await connection.read(bytes.subarray(read));
    if (count === null) throw new ProxyRefusal(proxy, 0, "it hung up");
    read += count;
  }
  return bytes;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) written += await connection.write(bytes.subarray(written));
}
