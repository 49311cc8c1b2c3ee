import type { Client } from "./client.js";
import type { Schema } from "./types.js";

/** The schema of a program without generated code: `request`, `notify` and `on` take any route and value. */
export const untyped: Schema<Client> = { name: "untyped", hash: "", types: {}, routes: {}, pushes: {} };
