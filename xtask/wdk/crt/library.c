/* Where a library is told of its process and threads. */

extern void run_initializers(void);

int _DllMainCRTStartup(void *module, unsigned long reason, void *reserved) {
    (void)module;
    (void)reserved;
    if (reason == 1 /* DLL_PROCESS_ATTACH */) {
        run_initializers();
    }
    return 1;
}
