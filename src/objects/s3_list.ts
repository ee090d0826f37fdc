import { ImageError } from "../errors.ts";
import type { ListOptions, ObjectInfo } from "./object_store.ts";
import type { S3Connection } from "./s3_connection.ts";

/** Lists a bucket page by page; a page is asked for when it is wanted. */
export async function* listObjects(
  connection: S3Connection,
  prefix: string,
  options: ListOptions,
): AsyncIterable<readonly ObjectInfo[]> {
  const action = `list "${prefix}" in "${connection.name}"`;
  let token: string | undefined;
  do {
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
    if (objects.length > 0) yield objects;
    const next = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (page.IsTruncated && (next === undefined || next === token)) {
      throw new ImageError("invalid-input", `Cannot ${action}: the server does not go on after a page`);
    }
    token = next;
  } while (token !== undefined);
}
