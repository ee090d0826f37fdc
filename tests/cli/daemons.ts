/** The Engine API, as tests of the whole program look behind it. */
export async function engine(path: string, method: string, url: string): Promise<{ status: number; body: string }> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  const response = await fetch(`http://localhost${url}`, { method, client });
  return { status: response.status, body: await response.text() };
}
