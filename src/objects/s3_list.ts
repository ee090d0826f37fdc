import { ImageError } from "../errors.ts";
import { MAX_LISTED_NAME_CHARS, MAX_LISTING_PAGES, Total } from "../oci/limits.ts";
import type { ListOptions, ObjectInfo } from "./object_store.ts";
import type { S3Connection } from "./s3_connection.ts";

/** How many pages without an object may come in a row: some servers give one where objects were removed. */
const MAX_EMPTY_PAGES = 1000;

/** Lists a bucket page by page; a page is asked for when it is wanted. Throws `invalid-input` where it never ends. */
export async function* listObjects(
  connection: S3Connection,
  prefix: string,
  options: ListOptions,
): AsyncIterable<readonly ObjectInfo[]> {
  const action = `list "${prefix}" in "${connection.name}"`;
  const pages = new Total(`Cannot ${action}`, MAX_LISTING_PAGES, "pages");
  const tokenChars = new Total(`Cannot ${action}`, MAX_LISTED_NAME_CHARS, "characters of names for its pages");
  const seen = new Set<string>();
  let emptyPages = 0;
  let token: string | undefined;
  do {
    pages.add();
    const command = new connection.modules.sdk.ListObjectsV2Command({
      Bucket: connection.bucket,
      Prefix: prefix,
      ...(token === undefined ? {} : { ContinuationToken: token }),
      ...(options.startAfter === undefined ? {} : { StartAfter: options.startAfter }),
    });
    const page = await connection.call(action, (client, http) => client.send(command, http));
    const objects = (page.Contents ?? []).map((found) => ({
      key: found.Key ?? "",
      sizeBytes: found.Size ?? 0,
      modifiedAt: found.LastModified ?? new Date(0),
      etag: found.ETag ?? "",
    }));
    emptyPages = objects.length > 0 ? 0 : emptyPages + 1;
    if (objects.length > 0) yield objects;
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (!page.IsTruncated) continue;
    if (token === undefined || seen.has(token) || emptyPages >= MAX_EMPTY_PAGES) {
      throw new ImageError("invalid-input", `Cannot ${action}: the server does not go on after a page`);
    }
    tokenChars.add(token.length);
    seen.add(token);
  } while (token !== undefined);
}
