import { HttpClient } from "../http/client.ts";
import type { HttpOptions } from "../http/message.ts";
import type { RetryOptions } from "../bytes/retry.ts";
import { RegistryConnection } from "./connection.ts";
import type { Credentials, Environment } from "./credentials.ts";
import { CredentialFinder } from "./find_credentials.ts";
import { Repository } from "./repository.ts";

/** What all registries of one run have in common. */
export interface RegistrySessionOptions {
  readonly http?: HttpOptions;
  /** How failed requests are tried again; its signal stops everything. */
  readonly retry?: RetryOptions;
  /** Whether registries are spoken to without TLS. */
  readonly plainHttp?: boolean;
  /** Where the environment is read. Default: this process's. */
  readonly env?: Environment;
}

/** What may differ between the two ends of a copy. */
export interface RegistryAccess {
  /** Given by the user: they win over those that this machine holds. */
  readonly credentials?: Credentials | undefined;
  /** The AWS profile by which ECR is logged in to; default the environment's. */
  readonly awsProfile?: string | undefined;
  /** Overrides the session's. */
  readonly plainHttp?: boolean | undefined;
}

/** The connections and tokens of one run, shared by all references. Dispose it to close idle connections. */
export class RegistrySession implements Disposable {
  readonly #options: RegistrySessionOptions;
  readonly #client: HttpClient;
  readonly #connections = new Map<string, RegistryConnection>();

  /** Opens no connection. */
  constructor(options: RegistrySessionOptions = {}) {
    this.#options = options;
    this.#client = new HttpClient(options.http);
  }

  /** The connection to a registry; the same one whenever registry and access are the same. */
  connection(registry: string, access: RegistryAccess = {}): RegistryConnection {
    const plainHttp = access.plainHttp ?? this.#options.plainHttp ?? false;
    const key = JSON.stringify([registry, plainHttp, access.credentials, access.awsProfile]);
    const known = this.#connections.get(key);
    if (known) return known;
    const { retry = {}, env, http } = this.#options;
    const log = http?.log;
    const connection = new RegistryConnection(registry, {
      sender: this.#client,
      finder: new CredentialFinder(registry, { explicit: access.credentials, awsProfile: access.awsProfile, env }),
      plainHttp,
      retry: {
        ...retry,
        host: registry,
        onRetry: retry.onRetry ??
          (log && ((_, delayMs) => log(`trying again at "${registry}" in ${Math.round(delayMs)} ms`))),
      },
    });
    this.#connections.set(key, connection);
    return connection;
  }

  /** A repository of a registry. */
  repository(registry: string, name: string, access: RegistryAccess = {}): Repository {
    return new Repository(this.connection(registry, access), name);
  }

  /** Closes idle connections. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
