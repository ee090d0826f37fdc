import { readAuthPlace } from "./auth_file.ts";
import { authPlaces } from "./auth_places.ts";
import { type Credentials, type Environment, processEnvironment } from "./credentials.ts";
import { parseEcrHost } from "../oci/ecr_host.ts";
import { readEcrCredentials } from "./ecr.ts";

/** Where credentials come from, beside what this machine holds. */
export interface FindCredentialsOptions {
  /** Given by the user: they win, and nothing is looked up. */
  readonly explicit?: Credentials | undefined;
  /** The AWS profile for ECR; default the environment's. */
  readonly awsProfile?: string | undefined;
  readonly env?: Environment | undefined;
}

/** A password that ends within this time is fetched anew. */
const EXPIRY_MARGIN_MS = 5 * 60_000;

/**
 * Finds the credentials for the repositories of one registry, and remembers them.
 *
 * Looked up in order: what {@linkcode authPlaces} names, then, for private ECR hosts, a login with the AWS credentials.
 */
export class CredentialFinder {
  readonly #registry: string;
  readonly #options: FindCredentialsOptions;
  readonly #byRepository = new Map<string, Promise<Credentials | undefined>>();
  #ecr: Promise<Credentials | undefined> | undefined;

  /** `registry` as references name it. */
  constructor(registry: string, options: FindCredentialsOptions = {}) {
    this.#registry = registry;
    this.#options = options;
  }

  /**
   * The credentials for a repository; undefined means: go in without. `repository` may be empty, for the registry
   * itself.
   *
   * Throws what {@linkcode readAuthPlace} and {@linkcode readEcrCredentials} throw.
   */
  async find(repository: string): Promise<Credentials | undefined> {
    if (this.#options.explicit) return this.#options.explicit;
    const known = this.#byRepository.get(repository) ?? this.#readFiles(repository);
    this.#byRepository.set(repository, known);
    return await known ?? await this.#readEcr();
  }

  async #readFiles(repository: string): Promise<Credentials | undefined> {
    for (const place of authPlaces(this.#options.env ?? processEnvironment)) {
      const found = await readAuthPlace(place, this.#registry, repository);
      if (found) return found;
    }
    return undefined;
  }

  async #readEcr(): Promise<Credentials | undefined> {
    const host = parseEcrHost(this.#registry);
    if (!host) return undefined;
    const pending = this.#ecr;
    const known = await pending?.catch(() => undefined);
    if (known?.kind === "password" && (known.expiresAt ?? 0) > Date.now() + EXPIRY_MARGIN_MS) return known;
    // Somebody else may have begun a login while this waited.
    if (this.#ecr === pending) this.#ecr = readEcrCredentials(host, this.#registry, this.#options.awsProfile);
    return await this.#ecr;
  }
}
