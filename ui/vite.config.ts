/** One file for Airflow, which has React, the router and Chakra already and gives them as globals. */

import { defineConfig } from "vitest/config";

const GIVEN = {
  "@chakra-ui/react": "ChakraUI",
  react: "React",
  "react-router-dom": "ReactRouterDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
};

export default defineConfig(({ mode }) => ({
  define: { "process.env.NODE_ENV": JSON.stringify(mode) },
  build: {
    outDir: "../plugins/oneroster_airflow/dist",
    emptyOutDir: true,
    reportCompressedSize: false,
    target: "es2022",
    // Airflow imports the file as a module and gives it no import map, so that nothing may be left to
    // import: what is external comes in as the arguments of one function.
    lib: {
      entry: "src/main.tsx",
      formats: ["iife"],
      name: "OneRosterPages",
      fileName: () => "oneroster.js",
    },
    rolldownOptions: {
      // Libraries mark what is for the browser; here all of it is.
      onwarn: (warning, warn) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") {
          warn(warning);
        }
      },
      external: Object.keys(GIVEN),
      output: { globals: GIVEN },
    },
  },
  test: { environment: "node" },
}));
