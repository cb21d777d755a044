import { show } from "../../client/examples/plain.js";
import { readConfig, tokensFrom } from "../../page/config.ts";
import { takeSecret } from "../../page/secret.ts";

takeSecret();
const { websocketUrl: url, tokenEndpoint } = await readConfig();
const list = document.createElement("ol");
const state = document.createElement("p");
state.setAttribute("role", "status");
document.body.append(state, list);
show(list, state, { url, token: tokensFrom(tokenEndpoint), workstream: "demo" });
