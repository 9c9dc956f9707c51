// SPDX-License-Identifier: Apache-2.0
// System calls that a process which only opens sockets and writes files does not need. They fail
// with EPERM from then on, in all threads, for good.
#include "restrict.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "convert.h"

namespace keelson
{
namespace
{

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArch = 0;
#endif

constexpr uint32_t kDenied[] = {
	// another program
	__NR_execve,
	__NR_execveat,
#ifdef __NR_fork
	__NR_fork,
	__NR_vfork,
#endif
	// other processes
	__NR_ptrace,
	__NR_process_vm_readv,
	__NR_process_vm_writev,
	__NR_kcmp,
	__NR_pidfd_getfd,
	__NR_pidfd_send_signal,
	__NR_tkill,
	__NR_rt_sigqueueinfo,
	__NR_rt_tgsigqueueinfo,
	// file systems and name spaces
	__NR_mount,
	__NR_umount2,
	__NR_pivot_root,
	__NR_chroot,
	__NR_move_mount,
	__NR_open_tree,
	__NR_fsopen,
	__NR_fsconfig,
	__NR_fsmount,
	__NR_fspick,
	__NR_mount_setattr,
	__NR_unshare,
	__NR_setns,
	__NR_mknodat,
	__NR_linkat,
	__NR_symlinkat,
	__NR_name_to_handle_at,
	__NR_open_by_handle_at,
	__NR_swapon,
	__NR_swapoff,
	__NR_quotactl,
	__NR_acct,
#ifdef __NR_mknod
	__NR_mknod,
	__NR_link,
	__NR_symlink,
#endif
	// the kernel
	__NR_bpf,
	__NR_perf_event_open,
	__NR_userfaultfd,
	__NR_io_uring_setup,
	__NR_io_uring_enter,
	__NR_io_uring_register,
	__NR_kexec_load,
	__NR_kexec_file_load,
	__NR_init_module,
	__NR_finit_module,
	__NR_delete_module,
	__NR_reboot,
	__NR_syslog,
	__NR_personality,
	__NR_settimeofday,
	__NR_clock_settime,
	__NR_clock_adjtime,
	__NR_adjtimex,
	__NR_sethostname,
	__NR_setdomainname,
	__NR_add_key,
	__NR_keyctl,
	__NR_request_key,
#ifdef __NR_iopl
	__NR_iopl,
	__NR_ioperm,
#endif
	// other users
	__NR_setuid,
	__NR_setgid,
	__NR_setreuid,
	__NR_setregid,
	__NR_setresuid,
	__NR_setresgid,
	__NR_setgroups,
	__NR_setfsuid,
	__NR_setfsgid,
	__NR_capset,
};

constexpr uint32_t kFamilies[] = { AF_UNIX, AF_INET, AF_INET6 };

constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;

class Program
{
public:
	void Load(size_t offset)
	{
		Add(BPF_LD | BPF_W | BPF_ABS, uint32_t(offset));
	}
	void And(uint32_t bits)
	{
		Add(BPF_ALU | BPF_AND | BPF_K, bits);
	}
	void Return(uint32_t action)
	{
		Add(BPF_RET | BPF_K, action);
	}
	// Skips the next `n` instructions unless the accumulator is `value`.
	void UnlessSkip(uint32_t value, uint8_t n)
	{
		Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n);
	}
	void IfSkip(uint32_t value, uint8_t n)
	{
		Add(BPF_JMP | BPF_JEQ | BPF_K, value, n, 0);
	}
	void IfAnyBitSkip(uint32_t bits, uint8_t n)
	{
		Add(BPF_JMP | BPF_JSET | BPF_K, bits, n, 0);
	}
	void UnlessAnyBitSkip(uint32_t bits, uint8_t n)
	{
		Add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, n);
	}
	std::vector<sock_filter> &code()
	{
		return code_;
	}

private:
	void Add(int op, uint32_t k, uint8_t jt = 0, uint8_t jf = 0)
	{
		code_.push_back({ uint16_t(op), jt, jf, k });
	}

	std::vector<sock_filter> code_;
};

constexpr size_t kNumber = offsetof(seccomp_data, nr);

// The low half: both architectures are little-endian.
constexpr size_t Argument(size_t n)
{
	return offsetof(seccomp_data, args) + n * sizeof(uint64_t);
}

std::vector<sock_filter> Build()
{
	Program p;

	p.Load(offsetof(seccomp_data, arch));
	p.IfSkip(kArch, 1);
	p.Return(kDeny);
	p.Load(kNumber);
#ifdef __x86_64__
	// The x32 calls have numbers of their own.
	p.UnlessAnyBitSkip(0x40000000, 1);
	p.Return(kDeny);
#endif
	for (uint32_t nr : kDenied) {
		p.UnlessSkip(nr, 1);
		p.Return(kDeny);
	}
	// Its flags are in memory, which a filter cannot read; the C library then uses clone.
	p.UnlessSkip(__NR_clone3, 1);
	p.Return(SECCOMP_RET_ERRNO | ENOSYS);
	// Threads, but no processes.
	p.UnlessSkip(__NR_clone, 4);
	p.Load(Argument(0));
	p.IfAnyBitSkip(CLONE_THREAD, 1);
	p.Return(kDeny);
	p.Return(SECCOMP_RET_ALLOW);
	// Signals to itself only.
	for (uint32_t nr : { __NR_kill, __NR_tgkill }) {
		p.UnlessSkip(nr, 4);
		p.Load(Argument(0));
		p.IfSkip(uint32_t(getpid()), 1);
		p.Return(kDeny);
		p.Return(SECCOMP_RET_ALLOW);
	}
	p.UnlessSkip(__NR_socket, uint8_t(2 * std::size(kFamilies) + 6));
	p.Load(Argument(1));
	p.And(0xf); // without SOCK_CLOEXEC and SOCK_NONBLOCK
	p.UnlessSkip(SOCK_RAW, 1);
	p.Return(kDeny);
	p.Load(Argument(0));
	for (uint32_t family : kFamilies) {
		p.UnlessSkip(family, 1);
		p.Return(SECCOMP_RET_ALLOW);
	}
	p.Return(kDeny);
	p.Return(SECCOMP_RET_ALLOW);
	return p.code();
}

// restrictSystemCalls()
void RestrictSystemCalls(const Napi::CallbackInfo &info)
{
	if (kArch == 0)
		throw SystemError(info.Env(), "seccomp: not known on this architecture", ENOSYS);
	std::vector<sock_filter> code = Build();
	sock_fprog program = { uint16_t(code.size()), code.data() };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		throw SystemError(info.Env(), "no_new_privs", errno);
	long rc =
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	if (rc < 0)
		throw SystemError(info.Env(), "seccomp", errno);
	if (rc > 0) // a thread that has a filter of its own
		throw SystemError(info.Env(), "seccomp: a thread cannot be restricted", ESRCH);
}

} // namespace

void AddRestriction(Napi::Env env, Napi::Object exports)
{
	exports.Set("restrictSystemCalls", Napi::Function::New(env, RestrictSystemCalls));
}

} // namespace keelson
