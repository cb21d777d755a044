import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Logs } from "../../client/examples/react.tsx";
import { readConfig, tokensFrom } from "../../page/config.ts";
import { takeSecret } from "../../page/secret.ts";

takeSecret();
const { websocketUrl, tokenEndpoint } = await readConfig();
const token = tokensFrom(tokenEndpoint);
const root = document.createElement("div");
document.body.append(root);
createRoot(root).render(
  <StrictMode>
    <Logs url={websocketUrl} workstream="demo" token={token} />
  </StrictMode>,
);
