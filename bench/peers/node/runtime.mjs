// The least that a runtime does: load the function, then ask for the first event. (AWS's own does
// more.)
import { get } from "node:http";

await import("./bundle.mjs");
get(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next`);
