// What the console takes of Preact and htm: `make vendor` bundles it into console/preact.js.
export { html } from "htm/preact";
export { render } from "preact";
export { useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
