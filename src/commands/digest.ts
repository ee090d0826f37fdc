import { selectPlatforms } from "../image/select_platforms.ts";
import type { ImageLocation } from "../oci/location.ts";
import { parsePlatform } from "../oci/platform.ts";
import { openSource } from "../transports/open.ts";
import type { Session } from "../transports/session.ts";

/** What a reference means now; the JSON of docs/json.md. */
export interface DigestReport {
  readonly reference: string;
  readonly digest: string;
  readonly media_type: string;
}

/** Tells the digest of what a reference means: of its index, or of one platform's manifest. */
export async function digestCommand(
  session: Session,
  location: ImageLocation,
  options: { readonly platform?: string | undefined } = {},
): Promise<DigestReport> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  await using source = await openSource(session, location);
  const root = await source.root();
  const { descriptor } = platform ? (await selectPlatforms(source, root, [platform])).root : root;
  return { reference: source.name, digest: descriptor.digest, media_type: descriptor.mediaType };
}
