import { ImageError, isImageError } from "../errors.ts";
import { plainCause } from "../http/message.ts";
import { addressConnection, chosenConnection, type EngineConnection } from "./connection.ts";
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
 * Throws `unavailable`, saying everything that was tried, when no daemon answers; `denied` when one is there and may not
 * be used; and as {@linkcode chosenConnection} does.
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
  for (const { product, path } of options.sockets ?? defaultSockets(host)) {
    const state = await host.probeSocket(path);
    if (state !== "listening") {
      attempts.push({ product, path, why: state });
      continue;
    }
    const connection = addressConnection(`unix://${path}`, product);
    try {
      return await EngineClient.connect(connection, { signal, log });
    } catch (error) {
      if (!isImageError(error, "unavailable")) throw error;
      attempts.push({ product, path, why: plainCause(error) });
    }
  }
  throw nothingFound(attempts);
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
  const why = state === undefined || state === "listening" ? plainCause(cause) : state;
  return new ImageError("unavailable", `Cannot reach the daemon at "${address}" (from ${origin}): ${why}`, {
    hint: `Start the daemon, ${WITHOUT_DAEMON}`,
    cause,
  });
}

function nothingFound(attempts: readonly Attempt[]): ImageError {
  const forbidden = attempts.find((attempt) => attempt.why === "permission denied");
  const tried = attempts.map(({ product, path, why }) => `${path} (${product}: ${why})`).join(", ");
  return new ImageError(
    forbidden ? "denied" : "unavailable",
    `Cannot find a container daemon: --docker-host, DOCKER_HOST and docker contexts name none, and no usual socket ` +
      `answers; tried ${tried}`,
    {
      hint: forbidden
        ? `Get access to ${forbidden.path} (on Linux: join the group that owns it), ${WITHOUT_DAEMON}`
        : `Start Docker or podman, ${WITHOUT_DAEMON}`,
    },
  );
}
