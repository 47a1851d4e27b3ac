/**
 * Preloaded (`node --import`) into Node children: ends the process when its launcher is gone, however that ended. SIGINT
 * is our processes' "stop at once"; one that does not obey is ended the hard way.
 */
const STOP_GRACE_MS = 3_000;

process.once('disconnect', () => {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), STOP_GRACE_MS).unref();
  process.kill(process.pid, 'SIGINT');
});
// Watching alone must not keep a process alive that has nothing else to do.
process.channel?.unref();
