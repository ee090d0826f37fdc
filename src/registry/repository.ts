import type { HttpResponse } from "../http/message.ts";
import type { ImageError } from "../errors.ts";
import type { Access } from "./authenticator.ts";
import type { RegistryConnection, RegistryRequest } from "./connection.ts";

/**
 * A request inside one repository: its path starts behind `/v2/<name>/`, or it is a whole URL that the registry gave.
 */
export interface RepositoryRequest extends Omit<RegistryRequest, "access"> {
  readonly access?: Access;
}

/** One repository of a registry. */
export class Repository {
  readonly connection: RegistryConnection;
  /** Path without the host: `library/alpine`. */
  readonly name: string;
  /** To read from it. */
  readonly pull: Access;
  /** To write to it. */
  readonly push: Access;

  /** Sends nothing. */
  constructor(connection: RegistryConnection, name: string) {
    this.connection = connection;
    this.name = name;
    this.pull = { repository: name, scopes: [`repository:${name}:pull`] };
    this.push = { repository: name, scopes: [`repository:${name}:pull,push`] };
  }

  /** Host and path, as people write it. */
  get label(): string {
    return `${this.connection.registry}/${this.name}`;
  }

  /** Sends a request; `access` defaults to reading. */
  async send(request: RepositoryRequest): Promise<HttpResponse> {
    const url = /^https?:\/\//.test(request.url) ? request.url : `/v2/${this.name}/${request.url}`;
    return await this.connection.send({ access: this.pull, ...request, url });
  }

  /** The error for an answer that is not what was hoped for. `action` starts its message. */
  async failure(response: HttpResponse, action: string): Promise<ImageError> {
    return await this.connection.failure(response, this.pull, action);
  }
}
