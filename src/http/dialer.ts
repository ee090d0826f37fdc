import type { Duplex } from "node:stream";
import { isIP } from "node:net";
import * as tls from "node:tls";
import { connectionFailure } from "./connection_failure.ts";
import { ConnStream } from "./conn_stream.ts";
import { connectTcp } from "./connect_tcp.ts";
import type { Proxy } from "./proxy.ts";
import type { Trust } from "./trust.ts";
import { openTunnel } from "./tunnel.ts";

/** How a connection to one place is made. */
export interface Way {
  /** Where requests go; only scheme, host and port count. */
  readonly url: URL;
  readonly proxy: Proxy | undefined;
  /** A Unix socket, which stands for host, port and proxy. */
  readonly unixSocket?: string | undefined;
  readonly trust: Trust;
  /** Whether certificates go unchecked. */
  readonly insecure: boolean;
}

/** What is offered to servers: requests of node's kind go by HTTP/1.1 alone. */
const ALPN = ["http/1.1"];

/**
 * Makes connections, TLS included, for node's HTTP client. Node's own would want to read all of the runtime's certificate
 * authorities, for which there is no permission but all of `sys`; the runtime's connections trust them without being asked.
 */
export class Dialer {
  /** Hosts whose certificate only stands for itself: it is among those that are trusted, and no authority made it. */
  readonly #selfSigned = new Set<string>();

  /** Whether `fetch` would refuse a host that this dialer has found trustworthy. */
  isSelfSigned(url: URL): boolean {
    return this.#selfSigned.has(url.origin);
  }

  /** Connects. Throws what the runtime throws, or `ProxyRefusal`. */
  async dial(way: Way): Promise<Duplex> {
    const { url, trust, unixSocket } = way;
    if (unixSocket !== undefined) return new ConnStream(await Deno.connect({ transport: "unix", path: unixSocket }));
    // The runtime shows a client certificate only on connections that it makes from their start.
    const mustShow = way.proxy !== undefined && trust.clientCertificate !== undefined;
    if (url.protocol !== "https:" || way.insecure || mustShow || this.isSelfSigned(url)) {
      return await this.#dialByNode(way);
    }
    try {
      return new ConnStream(await dialTls(way));
    } catch (error) {
      // A server's certificate that may sign others too, as openssl makes it by default, is refused by the runtime even
      // where it is trusted by name; node's TLS takes it, and checks name and dates all the same.
      if (connectionFailure(error) !== "certificate" || trust.authorities.length === 0) throw error;
      try {
        const socket = await this.#dialByNode(way);
        this.#selfSigned.add(url.origin);
        return socket;
      } catch {
        throw error;
      }
    }
  }

  async #dialByNode(way: Way): Promise<Duplex> {
    const { url, trust, insecure } = way;
    const stream = new ConnStream(await dialTcp(way));
    if (url.protocol !== "https:") return stream;
    let socket: tls.TLSSocket | undefined;
    try {
      const host = bareHost(url);
      const connecting = socket = tls.connect({
        socket: stream,
        host,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ALPN,
        rejectUnauthorized: !insecure,
        ca: [...trust.authorities], // given even when empty: without, all of the runtime's are asked for
        ...trust.clientCertificate,
      } as tls.ConnectionOptions);
      await new Promise<void>((resolve, reject) => {
        connecting.once("secureConnect", () => resolve());
        connecting.once("error", reject);
        connecting.once("close", () => reject(new Error("the server hung up during the TLS handshake")));
      });
      return connecting;
    } catch (error) {
      socket?.destroy();
      stream.destroy();
      throw error;
    }
  }
}

async function dialTls(way: Way): Promise<Deno.TlsConn> {
  const { url, proxy, trust } = way;
  const hostname = bareHost(url);
  const caCerts = [...trust.authorities];
  if (trust.clientCertificate && !proxy) {
    const options = { hostname, port: portOf(url), caCerts, alpnProtocols: ALPN, ...trust.clientCertificate };
    const connection = await Deno.connectTls(options);
    await connection.handshake();
    return connection;
  }
  const plain = await dialTcp(way);
  const connection = await Deno.startTls(await asTcp(plain), { hostname, caCerts, alpnProtocols: ALPN });
  try {
    await connection.handshake();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** A connection to the place, through its proxy, before any TLS with the place itself. */
async function dialTcp({ url, proxy, trust }: Way): Promise<Deno.Conn> {
  const port = portOf(url);
  if (!proxy) return await connectTcp(bareHost(url), port);
  const plain = await connectTcp(proxy.hostname, proxy.port);
  const caCerts = [...trust.authorities];
  const connection = proxy.scheme === "https"
    ? await Deno.startTls(plain, { hostname: proxy.hostname, caCerts })
    : plain;
  // Without TLS an HTTP proxy is asked for every URL anew.
  if (url.protocol !== "https:" && proxy.scheme !== "socks5") return connection;
  try {
    await openTunnel(connection, proxy, bareHost(url), port);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * The runtime starts TLS on TCP only. TLS inside of TLS (an https proxy that leads to an https host) goes over a
 * connection of this process with itself.
 */
async function asTcp(connection: Deno.Conn): Promise<Deno.TcpConn> {
  if (!("handshake" in connection)) return connection as Deno.TcpConn;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [near, far] = await Promise.all([connectTcp("127.0.0.1", port), listener.accept()]);
  if ((far.remoteAddr as Deno.NetAddr).port !== (near.localAddr as Deno.NetAddr).port) {
    for (const each of [near, far, connection]) each.close();
    throw new Error("somebody else connected in between");
  }
  const over = Promise.race([
    far.readable.pipeTo(connection.writable),
    connection.readable.pipeTo(far.writable),
  ]);
  over.catch(() => {}).finally(() => {
    for (const each of [far, connection]) {
      try {
        each.close();
      } catch { /* closed with its stream */ }
    }
  });
  return near;
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80);
}
