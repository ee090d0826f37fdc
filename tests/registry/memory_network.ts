/** A registry, and every other host, in memory: for what can be shown without any connection. */
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import type { HttpRequest, HttpResponse } from "../../src/http/message.ts";
import { RegistryConnection } from "../../src/registry/connection.ts";
import { CredentialFinder } from "../../src/registry/find_credentials.ts";
import { Repository } from "../../src/registry/repository.ts";

/** Answers a request to any host. */
export type Answer = (request: HttpRequest) => Response;

/** A repository behind such a network; its registry's `/v2/` is answered here. */
export function repositoryOn(
  answer: Answer,
  options: { registry?: string; plainHttp?: boolean } = {},
): { repository: Repository; requests: HttpRequest[]; plain: () => HttpRequest[] } {
  const { registry = "registry.example", plainHttp = false } = options;
  const requests: HttpRequest[] = [];
  const send = (request: HttpRequest): Promise<HttpResponse> => {
    requests.push(request);
    if (new URL(request.url).pathname === "/v2/") return Promise.resolve(answered(new Response("{}")));
    return Promise.resolve(answered(answer(request)));
  };
  const connection = new RegistryConnection(registry, {
    sender: { send },
    finder: new CredentialFinder(registry, {
      explicit: { kind: "password", username: "ann", password: "one" },
      env: () => undefined,
    }),
    plainHttp,
    retry: { baseDelayMs: 1 },
  });
  const plain = () => requests.filter(({ url }) => url.startsWith("http:"));
  return { repository: new Repository(connection, "app"), requests, plain };
}

function answered(response: Response): HttpResponse {
  const body = async () => new Uint8Array(await response.arrayBuffer());
  return {
    status: response.status,
    headers: response.headers,
    bytes: body,
    reader() {
      const all = body();
      let inner: ReturnType<typeof bytesReader> | undefined;
      return {
        read: async (into) => await (inner ??= bytesReader(await all)).read(into),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
    discard: () => Promise.resolve(),
  };
}
