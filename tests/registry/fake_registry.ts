/** A registry in memory whose uploads and manifests can be made to misbehave as known registries do. */
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { type ScriptedServer, type SeenRequest, serveScript } from "../support/scripted_server.ts";
import { concat } from "../support/concat.ts";

/** Deviations; all off by default. */
export interface FakeOptions {
  /** Answer to any request, in place of looking at it. */
  readonly guard?: (request: SeenRequest) => Response | undefined;
  /** Answer to a PUT that carries a whole blob, in place of taking it. */
  readonly wholePut?: (request: SeenRequest) => Response | undefined;
  /** Answer to a PATCH, in place of taking it. */
  readonly patch?: (request: SeenRequest) => Response | undefined;
  /** Status of an accepted PATCH. Default 202. */
  readonly patchStatus?: number;
  /** `Range` of an accepted PATCH, in place of the right one. */
  readonly patchRange?: string;
  /** `OCI-Chunk-Min-Length` of a begun upload; smaller parts are refused. */
  readonly minPartBytes?: number;
  /** Answer to a POST with `mount`. Default 202: not mounted. */
  readonly mount?: (request: SeenRequest) => Response | undefined;
  /** Answer to a manifest's GET, HEAD or PUT, in place of the right one. */
  readonly manifest?: (request: SeenRequest) => Response | undefined;
  /** Whether it keeps referrers itself. Default: no such API. */
  readonly referrers?: boolean;
  /** Whether `Location`s are whole URLs. */
  readonly absolute?: boolean;
}

/** A running fake and what it holds. */
export interface FakeRegistry extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly blobs: Map<Digest, Uint8Array>;
  /** Manifests by digest and tag. */
  readonly manifests: Map<string, { readonly bytes: Uint8Array<ArrayBuffer>; readonly mediaType: string }>;
  /** Uploads that were begun and neither completed nor cancelled, by id. */
  readonly uploads: Map<string, Uint8Array>;
}

/** Starts one. */
export function serveFakeRegistry(options: FakeOptions = {}): FakeRegistry {
  const blobs = new Map<Digest, Uint8Array>();
  const manifests: FakeRegistry["manifests"] = new Map();
  const uploads = new Map<string, Uint8Array>();
  let begun = 0;
  const location = (id: string) => {
    const path = `/v2/app/blobs/uploads/${id}?_state=${uploads.get(id)?.byteLength}%2B%3D~`;
    return options.absolute ? `${server.origin}${path}` : path;
  };

  const complete = (request: SeenRequest, id: string): Response => {
    const refused = request.body.byteLength > 0 ? options.wholePut?.(request) : undefined;
    if (refused) return refused;
    const all = concat([uploads.get(id)!, request.body]);
    uploads.delete(id);
    const query = new URL(request.path, "http://x").searchParams;
    if (query.get("digest") !== digestOf(all)) {
      return Response.json({ errors: [{ code: "DIGEST_INVALID", message: "wrong" }] }, { status: 400 });
    }
    blobs.set(digestOf(all), all);
    return new Response(null, { status: 201 });
  };

  const patch = (request: SeenRequest, id: string): Response => {
    const refused = options.patch?.(request);
    if (refused) return refused;
    const held = uploads.get(id)!;
    const start = held.byteLength;
    const expected = `${start}-${start + request.body.byteLength - 1}`;
    if (request.headers.get("content-range") !== expected) return new Response(null, { status: 416 });
    if (request.headers.get("content-length") !== String(request.body.byteLength)) {
      return new Response(null, { status: 411 });
    }
    uploads.set(id, concat([held, request.body]));
    const range = options.patchRange ?? `0-${start + request.body.byteLength - 1}`;
    return new Response(null, { status: options.patchStatus ?? 202, headers: { location: location(id), range } });
  };

  const upload = (request: SeenRequest, id: string): Response => {
    if (request.method === "POST") {
      const mounted = request.path.includes("mount=") ? options.mount?.(request) : undefined;
      if (mounted) return mounted;
      const fresh = `u${++begun}`;
      uploads.set(fresh, new Uint8Array(0));
      const minimum = options.minPartBytes;
      return new Response(null, {
        status: 202,
        headers: {
          location: location(fresh),
          ...(minimum === undefined ? {} : { "oci-chunk-min-length": String(minimum) }),
        },
      });
    }
    const held = uploads.get(id);
    const state = new URL(request.path, "http://x").search;
    if (!held) return Response.json({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN", message: "" }] }, { status: 404 });
    if (!state.startsWith(`?_state=${held.byteLength}%2B%3D~`)) return new Response("state", { status: 400 });
    if (request.method === "PUT") return complete(request, id);
    if (request.method === "PATCH") return patch(request, id);
    if (request.method === "DELETE") uploads.delete(id);
    const range = `0-${Math.max(0, held.byteLength - 1)}`;
    return new Response(null, { status: 204, headers: { location: location(id), range } });
  };

  const manifest = (request: SeenRequest, reference: string): Response | undefined => {
    const special = options.manifest?.(request);
    if (special) return special;
    if (request.method === "PUT") {
      const stored = { bytes: request.body, mediaType: request.headers.get("content-type") ?? "" };
      manifests.set(reference, stored);
      manifests.set(digestOf(request.body), stored);
      const subject = JSON.parse(new TextDecoder().decode(request.body)).subject?.digest;
      const headers = options.referrers && subject ? { "oci-subject": subject } : undefined;
      return new Response(null, { status: 201, headers: headers ?? {} });
    }
    const stored = manifests.get(reference);
    const headers = {
      "content-type": stored?.mediaType ?? "",
      "docker-content-digest": digestOf(stored?.bytes ?? new Uint8Array()),
    };
    return stored && new Response(stored.bytes, { headers });
  };

  const server = serveScript((request) => {
    const guarded = options.guard?.(request);
    if (guarded) return guarded;
    const path = request.path.split("?")[0]!;
    if (path === "/v2/") return new Response("{}");
    const uploadId = /^\/v2\/app\/blobs\/uploads\/(.*)$/.exec(path)?.[1];
    if (uploadId !== undefined) return upload(request, uploadId);
    const reference = /^\/v2\/app\/manifests\/(.+)$/.exec(path)?.[1];
    if (reference !== undefined) return manifest(request, reference);
    const digest = /^\/v2\/app\/blobs\/(.+)$/.exec(path)?.[1] as Digest | undefined;
    const blob = digest && blobs.get(digest);
    return blob ? new Response(new Uint8Array(blob)) : undefined;
  });
  return { server, blobs, manifests, uploads, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
}
