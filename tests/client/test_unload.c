/* SPDX-License-Identifier: MIT */
/*
 * test_unload.c LIBRARY - dlclose() leaves the library where it is
 *
 * A look-up that hangs in the name service runs on a thread that the caller does not wait for; when
 * it comes back, its code must still be there.
 */
#include <dlfcn.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    if (library == NULL) {
        fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: test_unload LIBRARY");
        return 1;
    }
    dlclose(library);
    if (dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD) != NULL)
        return 0;
    fprintf(stderr, "%s was unloaded: it is to be linked with -z nodelete\n", argv[1]);
    return 1;
}
