import * as http from "node:http";
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { BufferPool } from "../bytes/buffers.ts";
import { sleep } from "../bytes/retry.ts";
import type { Way } from "./dialer.ts";
import type { HttpRequest, RawResponse, StreamedBody } from "./message.ts";
import type { KeptAgents } from "./kept_agents.ts";
import { isOldRuntime } from "./old_runtime.ts";
import { basicProxyAuthorization } from "./proxy_refusal.ts";

/** Size of the pieces in which a streamed body is sent. */
const PIECE_BYTES = 256 * 1024;

/** Pieces that may wait for the socket. */
const PIECES_UNDER_WAY = 4;

/** How long a server may take to say that it wants a body, before it gets it anyway. */
const CONTINUE_TIMEOUT_MS = 3000;

/** How a request gets out. */
export interface NodeSendOptions {
  /** Where it goes and whom to trust there. */
  readonly way: Way;
  readonly agents: KeptAgents;
  /** Whether the connection is kept for the next request once the answer has been read to its end. */
  readonly keepsConnection: boolean;
}

/**
 * Sends a request by node's HTTP client, for what `fetch` cannot do: streams of known length, unchecked certificates, large
 * bodies without copies of them.
 *
 * An answer that comes before the body was sent whole stops the body; nothing is read from it afterwards.
 */
export async function nodeSend(
  request: HttpRequest,
  options: NodeSendOptions,
): Promise<RawResponse> {
  const { body } = request;
  const outgoing = open(request, options);
  // A request that is stopped while its connection is made says so only when that is there.
  const answered = Promise.race([
    once(outgoing, "response") as Promise<[http.IncomingMessage]>,
    whenAborted(request.signal),
  ]);
  answered.catch(() => {});
  // Without a listener of its own a late error (the connection breaks after the answer) would end the process.
  outgoing.on("error", () => {});
  try {
    // A stream is not touched before there is a connection for it: without one it may be sent in another way.
    if (body && !isOldRuntime()) await Promise.race([once(outgoing, "socket"), answered]);
    if (body && request.asksFirst) await allowed(outgoing, answered);
    if (body) await sendBody(outgoing, body, { answered, onSent: request.onSent });
    else outgoing.end();
    const [incoming] = await answered;
    return nodeResponse(outgoing, incoming, options.keepsConnection);
  } catch (error) {
    outgoing.destroy();
    throw error;
  }
}

function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

function open(request: HttpRequest, options: NodeSendOptions): http.ClientRequest {
  const { way, agents } = options;
  const { url, proxy, unixSocket } = way;
  const { body } = request;
  const sizeBytes = body instanceof Uint8Array ? body.byteLength : body?.sizeBytes;
  // A proxy that does not tunnel is told where the request goes by the whole URL.
  const forwarder = proxy && proxy.scheme !== "socks5" && url.protocol === "http:" ? proxy : undefined;
  const authorization = forwarder && basicProxyAuthorization(forwarder);
  const common = {
    method: request.method,
    headers: {
      host: url.host,
      ...request.headers,
      ...(sizeBytes === undefined ? {} : { "content-length": String(sizeBytes) }),
      ...(request.asksFirst ? { expect: "100-continue" } : {}),
      ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
    },
    ...(request.signal ? { signal: request.signal } : {}),
  };
  const path = `${url.pathname}${url.search}`;
  if (unixSocket !== undefined && isOldRuntime()) {
    return http.request(url, { ...common, agent: false, socketPath: unixSocket });
  }
  const agent = options.keepsConnection ? agents.get(way) : agents.once(way);
  if (isOldRuntime()) return http.request(url, { ...common, agent });
  const where = { host: url.hostname, port: url.port === "" ? 80 : Number(url.port) };
  return http.request({ ...common, ...where, path: forwarder ? `${url.origin}${path}` : path, agent });
}

/** Waits until the server wants the body, has answered, or seems not to know the question. */
async function allowed(outgoing: http.ClientRequest, answered: Promise<unknown>): Promise<void> {
  outgoing.flushHeaders();
  const waiting = new AbortController();
  const { signal } = waiting;
  const wanted = once(outgoing, "continue", { signal }).catch(() => {});
  const late = sleep(CONTINUE_TIMEOUT_MS, signal).catch(() => {});
  await Promise.race([wanted, late, answered.catch(() => {})]);
  waiting.abort();
}

/**
 * Writes the body piece by piece. A body that fails or ends short throws, and the request is then destroyed, so the
 * server never sees it whole.
 */
async function sendBody(
  outgoing: http.ClientRequest,
  body: Uint8Array<ArrayBuffer> | StreamedBody,
  { answered, onSent }: { readonly answered: Promise<unknown>; readonly onSent: HttpRequest["onSent"] },
): Promise<void> {
  let isOver = false;
  let sentBytes = 0;
  const onWritten = (count: number) => onSent?.(sentBytes += count);
  const over = answered.then(() => {}, () => {}).then(() => {
    isOver = true;
  });
  const sending = { over, isOver: () => isOver, onWritten };
  const isComplete = body instanceof Uint8Array
    ? await sendBytes(outgoing, body, sending)
    : await sendStream(outgoing, body, sending);
  if (isComplete) outgoing.end();
}

/** What a body that is sent looks out for: the end of the request, by its answer or failure, and who follows it. */
interface Sending {
  readonly over: Promise<void>;
  readonly isOver: () => boolean;
  /** Told of every piece that the connection has taken. */
  readonly onWritten: (count: number) => void;
}

/** Bytes in memory go in pieces too: written at once, TLS would hold all of them a second time. False when stopped. */
async function sendBytes(outgoing: http.ClientRequest, body: Uint8Array, sending: Sending): Promise<boolean> {
  for (let position = 0; position < body.byteLength; position += PIECE_BYTES) {
    if (sending.isOver()) return false;
    const piece = body.subarray(position, position + PIECE_BYTES);
    const written = () => sending.onWritten(piece.byteLength);
    if (!outgoing.write(piece, written)) await drained(outgoing, sending.over);
  }
  return true;
}

/** Sends what the body's reader gives. False when stopped. */
async function sendStream(outgoing: http.ClientRequest, body: StreamedBody, sending: Sending): Promise<boolean> {
  // Few buffers, lent again once what they held is written: made anew for every piece, they pile up until collected.
  const buffers = new BufferPool(PIECES_UNDER_WAY, PIECE_BYTES);
  let left = body.sizeBytes ?? Infinity;
  while (left > 0) {
    const buffer = await Promise.race([buffers.take(), sending.over]);
    if (!buffer || sending.isOver()) return false;
    const piece = await body.content.read(buffer.subarray(0, Math.min(PIECE_BYTES, left)));
    if (piece.byteLength === 0) {
      if (left === Infinity) return true;
      throw new Error(`the body ended ${left} bytes early`);
    }
    left -= piece.byteLength;
    const { byteLength } = piece;
    if (sending.isOver()) return false;
    // An old runtime calls a piece written while it still reads from it.
    if (isOldRuntime()) {
      const written = new Promise((resolve) => outgoing.write(piece.slice(), resolve));
      await Promise.race([written, sending.over]); // ending the request there drops what is not written yet
      sending.onWritten(byteLength);
      buffers.give(piece);
    } else {
      outgoing.write(piece, () => {
        sending.onWritten(byteLength);
        buffers.give(piece);
      });
    }
  }
  return true;
}

/** Waits until more may be written, the request failed, or its answer is there. */
async function drained(outgoing: http.ClientRequest, over: Promise<void>): Promise<void> {
  const waiting = new AbortController();
  const drain = once(outgoing, "drain", { signal: waiting.signal }).catch(() => {});
  await Promise.race([drain, over]);
  waiting.abort();
}

function nodeResponse(
  outgoing: http.ClientRequest,
  incoming: http.IncomingMessage,
  keepsConnection: boolean,
): RawResponse {
  const headers = new Headers();
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index] ?? "", incoming.rawHeaders[index + 1] ?? "");
  }
  const close = () => {
    // The agent has the connection back by then, perhaps for another request already.
    if (keepsConnection && incoming.readableEnded && outgoing.writableFinished) return Promise.resolve();
    incoming.destroy();
    outgoing.destroy();
    return Promise.resolve();
  };
  return { status: incoming.statusCode ?? 0, headers, reader: () => messageReader(incoming, close), discard: close };
}

/** A reader over node's readable stream; what a chunk holds beyond the asked bytes is kept for the next read. */
function messageReader(incoming: http.IncomingMessage, close: () => Promise<void>): BlobReader {
  const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest = new Uint8Array(0) as Uint8Array;
  return {
    async read(into) {
      while (rest.byteLength === 0) {
        const { done, value } = await chunks.next();
        if (done) return into.subarray(0, 0);
        rest = value;
      }
      const count = Math.min(into.byteLength, rest.byteLength);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return into.subarray(0, count);
    },
    [Symbol.asyncDispose]: close,
  };
}
