import { ImageError, isImageError } from "../errors.ts";
import { plainCause } from "../http/message.ts";
import { addressConnection, chosenConnection, type EngineConnection, WITHOUT_PIPES } from "./connection.ts";
import { type DefaultSocket, defaultSockets } from "./default_sockets.ts";
import { EngineClient, type EngineClientOptions } from "./engine_client.ts";
import { type EngineHost, systemHost } from "./engine_host.ts";

/** How a daemon is looked for. */
export interface FindEngineOptions extends EngineClientOptions {
  /** An address that the user gave (`--docker-host`). */
  readonly dockerHost?: string | undefined;
  /** The machine; the real one unless a test brings another. */
  readonly host?: EngineHost;
  /** The usual sockets, in the order in which they are tried; those of {@linkcode defaultSockets} unless given. */
  readonly sockets?: readonly DefaultSocket[];
}

/** What the reader can do without a daemon. */
const WITHOUT_DAEMON = "give another address with --docker-host, or use an archive: --file image.tar";

/**
 * Connects to the daemon: the one that was chosen (see {@linkcode chosenConnection}), else the first of the usual sockets
 * that answers.
 *
 * Throws `unavailable` when no daemon answers, naming the sockets that are there and silent (`log` is told of each that was
 * tried); `denied` when one is there and may not be used; and as {@linkcode chosenConnection} does.
 */
export async function findEngine(options: FindEngineOptions = {}): Promise<EngineClient> {
  const { host = systemHost(), dockerHost, signal, log } = options;
  const chosen = await chosenConnection(host, { dockerHost });
  if (chosen) {
    try {
      return await EngineClient.connect(chosen, { signal, log });
    } catch (error) {
      throw isImageError(error, "unavailable") ? await unreachable(host, chosen, error) : error;
    }
  }
  const attempts: Attempt[] = [];
  const failed = (attempt: Attempt) => {
    attempts.push(attempt);
    log?.(`daemon ${attempt.path} (${attempt.product}): ${attempt.why}`);
  };
  for (const { product, path } of options.sockets ?? defaultSockets(host)) {
    const state = await host.probeSocket(path);
    if (state !== "listening") {
      failed({ product, path, why: state });
      continue;
    }
    const connection = addressConnection(`unix://${path}`, product);
    try {
      return await EngineClient.connect(connection, { signal, log });
    } catch (error) {
      if (!isImageError(error, "unavailable")) throw error;
      failed({ product, path, why: plainCause(error) });
    }
  }
  throw await nothingFound(host, attempts);
}

interface Attempt {
  readonly product: string;
  readonly path: string;
  readonly why: string;
}

async function unreachable(host: EngineHost, connection: EngineConnection, cause: ImageError): Promise<ImageError> {
  const { address, origin } = connection;
  const socket = connection.http.unixSocket;
  const state = socket === undefined ? undefined : await host.probeSocket(socket);
  if (socket !== undefined && state === "permission denied") return await forbidden(host, socket, origin, cause);
  const why = state === undefined || state === "listening" ? plainCause(cause) : state;
  return new ImageError("unavailable", `Cannot reach the daemon at "${address}" (from ${origin}): ${why}`, {
    hint: `Start the daemon, ${WITHOUT_DAEMON}`,
    cause,
  });
}

async function nothingFound(host: EngineHost, attempts: readonly Attempt[]): Promise<ImageError> {
  if (host.os === "windows") {
    throw new ImageError(
      "unavailable",
      "Cannot find a container daemon: none is named, and named pipes are not spoken",
      {
        hint: WITHOUT_PIPES,
      },
    );
  }
  const denied = attempts.find((attempt) => attempt.why === "permission denied");
  if (denied) return await forbidden(host, denied.path, denied.product);
  // Ten places where nothing is are no news; one where something is that does not answer may be the cause.
  const silent = attempts.filter((attempt) => attempt.why !== "not there")
    .map(({ product, path, why }) => `${path} (${product}): ${why}`);
  const state = silent.length > 0 ? `answers; ${silent.join(", ")}` : "is there";
  return new ImageError("unavailable", `Cannot find a container daemon: none is named and no usual socket ${state}`, {
    hint: `Start Docker or podman, ${WITHOUT_DAEMON} (s3lo doctor --self lists where it looks)`,
  });
}

/** The error for a socket that this user may not open. */
async function forbidden(host: EngineHost, path: string, origin: string, cause?: unknown): Promise<ImageError> {
  const group = await host.groupOf?.(path);
  const way = path.includes("podman")
    ? "Start a podman service of your own (systemctl --user start podman.socket)"
    : group !== undefined && group !== "root"
    ? `Join the group "${group}", which may use it (sudo usermod -aG ${group} $USER, then log in again)`
    : "Run s3lo as the user who owns it, or set up rootless Docker (dockerd-rootless-setuptool.sh install)";
  return new ImageError("denied", `Cannot use the daemon at "unix://${path}" (from ${origin}): permission denied`, {
    hint: `${way}, ${WITHOUT_DAEMON}`,
    cause,
  });
}
