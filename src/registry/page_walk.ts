import { ImageError } from "../errors.ts";
import { digestOf } from "../oci/digest.ts";
import { MAX_LISTING_PAGES, Total } from "../oci/limits.ts";
import { resolveUrl } from "./endpoint.ts";
import { nextLink } from "./link.ts";

/** Goes from page to page of a listing, to its end or to a page that was there before, and not for ever. */
export class PageWalk {
  readonly #registry: string;
  readonly #pages: Total;
  /** Digests of addresses: the addresses themselves are as long as a registry likes. */
  readonly #seen = new Set<string>();
  #url: string | undefined;

  /** Starts at `url`. `action` begins the error where there is no end to the pages. */
  constructor(registry: string, url: string, action: string) {
    this.#registry = registry;
    this.#pages = new Total(action, MAX_LISTING_PAGES, "pages");
    this.#url = url;
  }

  /** The page to read now; undefined after the last one. Throws `invalid-input` where there have been too many. */
  next(): string | undefined {
    if (this.#url === undefined) return undefined;
    this.#pages.add();
    this.#seen.add(keyOf(this.#url));
    return this.#url;
  }

  /**
   * Takes in the `Link` of the page just read. It must stay on the registry, since it is asked with the registry's
   * authorization: `invalid-input` otherwise. A page that was read before is the end: what it leads to was read as well.
   */
  follow(header: string | null): void {
    const asked = this.#url;
    this.#url = undefined;
    const link = nextLink(header);
    if (link === undefined || asked === undefined) return;
    const url = resolveUrl(link, asked);
    if (url === undefined || new URL(url).origin !== new URL(asked).origin) {
      throw new ImageError(
        "invalid-input",
        `Cannot go on with the listing of "${this.#registry}": its next page is elsewhere`,
      );
    }
    if (!this.#seen.has(keyOf(url))) this.#url = url;
  }
}

function keyOf(url: string): string {
  return digestOf(new TextEncoder().encode(url));
}
