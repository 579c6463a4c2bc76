/** Why is a person or a course as it is? The search, and the history that answers. */

export { Record } from "./record.js";
export { Why } from "./search.js";
