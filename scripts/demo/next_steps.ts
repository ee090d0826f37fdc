/** What to do after the demo: each a command line, and what it does. */
export const NEXT_STEPS: readonly (readonly [command: string, does: string])[] = [
  ["s3lo list local://./demo/store", "what the demo's store holds now"],
  ["s3lo pull local://./demo/store//hello:v1", "into Docker or podman, where one runs; then: docker run --rm hello:v1"],
  ["s3lo copy alpine:3 local://./demo/store//alpine:3", "an image of Docker Hub, all platforms"],
  ["s3lo copy local://./demo/store//hello:v1 s3://my-bucket/hello:v1", "into a bucket of yours"],
  ["s3lo help", "all commands"],
];

/** The text that ends the demo. */
export function nextSteps(): string {
  return [
    "What to do next (in this checkout `deno task s3lo` stands for `s3lo`):",
    ...NEXT_STEPS.map(([command, does]) => `  ${command}\n      ${does}`),
    "No bucket at hand? README.md, under Usage, starts MinIO in one line.",
  ].join("\n");
}
