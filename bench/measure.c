/* SPDX-License-Identifier: MIT */
/*
 * measure.c - run a command and say what it took
 *
 *     measure [-c CPU] [-i INPUT] [-t SECONDS] COMMAND ARGUMENT...
 *
 * A small parent: the peak memory that the kernel reports for a child is never less than its
 * parent's, so that Python cannot measure it.  The last line of standard error is JSON: wall,
 * cpu (seconds), rss (peak, KiB), status (exit status, 128 + signal).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void
die(const char *what)
{
    fprintf(stderr, "measure: %s: %m\n", what);
    exit(125);
}

static void
on_alarm(int number)
{
    (void)number;
    kill(child, SIGKILL);
}

static double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void
stay_on(const char *cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(strtoul(cpu, NULL, 10), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("sched_setaffinity");
}

static void
start(char **command, const char *input)
{
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
    if ((errno = posix_spawnp(&child, command[0], &actions, NULL, command, environ)) !=
        0)
        die(command[0]);
}

int
main(int argc, char **argv)
{
    const char *input = "/dev/null";
    unsigned limit_s = 120;
    int option, status;
    struct rusage used;
    double began;

    while ((option = getopt(argc, argv, "+c:i:t:")) != -1) {
        switch (option) {
        case 'c':
            stay_on(optarg);
            break;
        case 'i':
            input = optarg;
            break;
        case 't':
            limit_s = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return 125;
        }
    }
    if (argv[optind] == NULL)
        return 125;
    signal(SIGALRM, on_alarm);
    began = now_s();
    start(argv + optind, input);
    alarm(limit_s);
    while (wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR)
            die("wait4");
    fprintf(stderr, "\n{\"wall\":%.6f,\"cpu\":%.6f,\"rss\":%ld,\"status\":%d}\n",
            now_s() - began, seconds(used.ru_utime) + seconds(used.ru_stime),
            used.ru_maxrss,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
