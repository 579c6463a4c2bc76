import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig([
  globalIgnores(["src/lib/openapi.d.ts"]),
  tseslint.configs.recommended,
  reactHooks.configs.flat.recommended,
  jsxA11y.flatConfigs.strict,
  {
    rules: {
      // What was typed is reset where its dialog opens again, and an answer of a switch is forgotten
      // where the server tells a newer one. Both are effects of what came from outside.
      "react-hooks/set-state-in-effect": "off",
      // A block of the log keeps the height that it had before it was left out; nothing is drawn by it.
      "react-hooks/refs": "off",
    },
  },
]);
