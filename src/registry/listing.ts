import { ImageError, isImageError } from "../errors.ts";
import { Members, parseJsonObject } from "../oci/json.ts";
import type { Access } from "./authenticator.ts";
import type { RegistryConnection } from "./connection.ts";
import { resolveUrl } from "./endpoint.ts";
import { nextLink } from "./link.ts";
import type { Repository } from "./repository.ts";

/** Largest page of a listing that is read. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** Entries asked for at once; registries may give fewer. */
const PAGE_ENTRIES = 1000;

/**
 * The tags of a repository, page by page, in the registry's order (which the specification wants to be lexical).
 *
 * Throws `not-found`, `unauthorized`, `denied`, `unavailable`. Spec: OCI distribution-spec v1.1.1, "Listing Tags".
 */
export async function* listTags(repository: Repository): AsyncGenerator<readonly string[], void> {
  const first = `/v2/${repository.name}/tags/list?n=${PAGE_ENTRIES}`;
  const action = `Cannot list the tags of "${repository.label}"`;
  yield* pages(repository.connection, first, repository.pull, action, "tags");
}

/**
 * The repositories of a registry, page by page. Many registries show them to nobody: `unsupported`, `denied` or
 * `unauthorized` then.
 *
 * Spec: distribution's HTTP API, "Listing Repositories" (not part of the OCI specification).
 */
export async function* listRepositories(connection: RegistryConnection): AsyncGenerator<readonly string[], void> {
  const access = { repository: "", scopes: ["registry:catalog:*"] };
  const action = `Cannot list the repositories of "${connection.registry}"`;
  try {
    yield* pages(connection, `/v2/_catalog?n=${PAGE_ENTRIES}`, access, action, "repositories");
  } catch (error) {
    if (!isImageError(error, "not-found")) throw error;
    throw new ImageError("unsupported", error.message, {
      hint: "Name one repository: this registry does not list them",
      cause: error,
    });
  }
}

async function* pages(
  connection: RegistryConnection,
  first: string,
  access: Access,
  action: string,
  member: string,
): AsyncGenerator<readonly string[], void> {
  const seen = new Set<string>();
  let url = new URL(first, await connection.origin()).href;
  while (!seen.has(url)) {
    seen.add(url);
    const response = await connection.send({ method: "GET", url, access });
    if (response.status !== 200) throw await connection.failure(response, access, action);
    const link = nextLink(response.headers.get("link"));
    const document = parseJsonObject(await response.bytes(MAX_PAGE_BYTES), `the answer of "${connection.registry}"`);
    yield new Members(document, `the answer of "${connection.registry}"`).strings(member) ?? [];
    if (link === undefined) return;
    url = nextPage(link, url, connection.registry);
  }
}

/** The next page's URL; it must stay on the registry, since it is asked with the registry's authorization. */
export function nextPage(link: string, asked: string, registry: string): string {
  const url = resolveUrl(link, asked);
  if (url !== undefined && new URL(url).origin === new URL(asked).origin) return url;
  throw new ImageError("invalid-input", `Cannot go on with the listing of "${registry}": its next page is elsewhere`);
}
