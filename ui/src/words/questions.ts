/** Questions before something is done: the title of a dialog, its button, and what it says when done. */

/** The questions of all pages. */
export const ASK = {
  leave: { title: "Leave without saving?", verb: "Leave without saving" },
  syncOn: { title: "Switch the sync on?", verb: "Switch on" },
  syncNow: { title: "Sync now?", verb: "Sync now", done: "Sync requested" },
  stopUpload: { title: "Stop the upload?", verb: "Stop and leave" },
  stopAll: { title: "Stop all syncs?", verb: "Stop all syncs" },
  resumeAll: { title: "End the maintenance?", verb: "Resume all syncs" },
  approve: { title: "Approve this plan?", done: "Plan approved" },
  discard: { title: "Discard this plan?", verb: "Discard", done: "Plan discarded" },
  undo: { title: "Undo this sync?", done: "Undo requested" },
};
