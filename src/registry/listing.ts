import { ImageError, isImageError } from "../errors.ts";
import { retrying } from "../bytes/retry.ts";
import { Members, parseJsonObject } from "../oci/json.ts";
import { answerBody } from "./answer_body.ts";
import type { Access } from "./authenticator.ts";
import type { RegistryConnection } from "./connection.ts";
import { PageWalk } from "./page_walk.ts";
import type { Repository } from "./repository.ts";

/** Largest page of a listing that is read. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** Entries asked for at once; registries may give fewer, and some refuse to hear of so many. */
const PAGE_ENTRIES = 1000;

/**
 * The tags of a repository, page by page, in the registry's order (which the specification wants to be lexical).
 *
 * Throws `not-found`, `unauthorized`, `denied`, `unavailable`. Spec: OCI distribution-spec v1.1.1, "Listing Tags".
 */
export async function* listTags(repository: Repository): AsyncGenerator<readonly string[], void> {
  const action = `Cannot list the tags of "${repository.label}"`;
  const path = `/v2/${repository.name}/tags/list`;
  yield* pages(repository.connection, path, { access: repository.pull, action, member: "tags" });
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
    yield* pages(connection, "/v2/_catalog", { access, action, member: "repositories" });
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
  path: string,
  { access, action, member }: { readonly access: Access; readonly action: string; readonly member: string },
): AsyncGenerator<readonly string[], void> {
  const { registry } = connection;
  const first = `${await connection.origin()}${path}`;
  let walk = new PageWalk(registry, `${first}?n=${PAGE_ENTRIES}`, action);
  let isFirst = true;
  for (let url = walk.next(); url !== undefined; url = walk.next()) {
    const page = await readPage(connection, url, { access, action, refusable: isFirst });
    if (page) {
      yield page.members.strings(member) ?? [];
      walk.follow(page.link);
    } else walk = new PageWalk(registry, first, action);
    isFirst = false;
  }
}

/**
 * One page; its body is part of what is tried again, since bodies break off too. Undefined where the registry has something
 * against the number of entries that is asked for, of a page that is `refusable`.
 */
async function readPage(
  connection: RegistryConnection,
  url: string,
  { access, action, refusable }: { readonly access: Access; readonly action: string; readonly refusable: boolean },
): Promise<{ readonly members: Members; readonly link: string | null } | undefined> {
  const what = `the answer of "${connection.registry}"`;
  return await retrying(async () => {
    const response = await connection.send({ method: "GET", url, access });
    if (refusable && (response.status === 400 || response.status === 422)) {
      await response.discard();
      return undefined;
    }
    if (response.status !== 200) throw await connection.failure(response, access, action);
    const document = parseJsonObject(await answerBody(response, MAX_PAGE_BYTES, what), what);
    return { members: new Members(document, what), link: response.headers.get("link") };
  }, connection.retry);
}
