/* A disk that takes 30 ms to sync: LD_PRELOAD this into the bot. Between its write to the -wal, which tells the
 * watchers, and the commit, which tells nobody, lie those 30 ms. */
#include <time.h>

static int slow(int descriptor) {
    struct timespec pause = {0, 30 * 1000 * 1000};
    (void)descriptor;
    nanosleep(&pause, 0);
    return 0;
}

int fsync(int descriptor) { return slow(descriptor); }
int fdatasync(int descriptor) { return slow(descriptor); }
