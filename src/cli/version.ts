import project from "../../deno.json" with { type: "json" };

/** The version of s3lo. */
export const VERSION: string = project.version;
