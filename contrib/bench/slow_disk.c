/* A disk that takes 5 ms to sync, for the program that this is preloaded into (LD_PRELOAD). Each sync writes one byte
 * to the file that BENCH_SYNCS names. Nothing is included, so that a compiler alone can make it. */

extern char *getenv(const char *name);
extern int open(const char *path, int flags, ...);
extern long write(int descriptor, const void *bytes, unsigned long count);
extern int close(int descriptor);
extern int usleep(unsigned int microseconds);

enum { PAUSE_US = 5000, WRITE_CREATE_APPEND_CLOSE_ON_EXEC = 01 | 0100 | 02000 | 02000000 };

static int slow(void) {
    const char *path = getenv("BENCH_SYNCS");
    int counted = path ? open(path, WRITE_CREATE_APPEND_CLOSE_ON_EXEC, 0600) : -1;
    if (counted >= 0) {
        write(counted, ".", 1);
        close(counted);
    }
    usleep(PAUSE_US);
    return 0;
}

int fsync(int descriptor) { (void)descriptor; return slow(); }
int fdatasync(int descriptor) { (void)descriptor; return slow(); }
