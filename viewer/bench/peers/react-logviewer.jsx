import { LazyLog, ScrollFollow } from "@melloware/react-logviewer";
import { createRoot } from "react-dom/client";

createRoot(document.querySelector("#root")).render(
  <ScrollFollow
    startFollowing
    render={({ follow, onScroll }) => (
      <LazyLog
        url={`ws://${location.host}/`}
        websocket
        follow={follow}
        onScroll={onScroll}
        selectableLines
      />
    )}
  />,
);
