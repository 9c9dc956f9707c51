/**
 * Every keyword of keepalived (2.2.7 and later) and of DPVS's fork that has no reader, by the block
 * it belongs in. The rule: a word that limits, protects or decides is refused until it is acted on;
 * a word that only informs is without effect; tuning of keepalived's own program has no meaning here.
 */
import type { Row } from '../language.js';
import { topLevel } from '../values.js';

const notify =
  'notify_master notify_backup notify_fault notify_stop notify_deleted notify ' +
  'notify_master_rx_lower_pri notify_priority_changes smtp_alert';
const trackers = 'track_interface track_script track_file track_process track_bfd track_src_ip';
const checkCommon =
  'connect_ip connect_port bindto bind_port connect_timeout retry delay_before_retry warmup ' +
  'delay_loop alpha log_all_failures';

/** Blocks that are skipped as a whole: their words are known so that a misplaced one is recognised. */
const skipped: readonly Row[] = [
  {
    block: 'vrrp_script',
    inert: 'script interval timeout weight rise fall user init_fail init_file',
  },
  {
    block: 'vrrp_track_process',
    inert:
      'process param_match weight quorum quorum_max fork_delay terminate_delay delay full_command',
  },
  { block: 'track_file', inert: 'file weight init_file' },
  { block: 'vrrp_track_file', inert: 'file weight init_file' },
  {
    block: 'bfd_instance',
    inert:
      'neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit ' +
      'max_hops multihop weight vrrp checker',
  },
  { block: 'garp_group', inert: 'garp_interval gna_interval interface interfaces' },
  { block: 'track_group', inert: 'group' },
  { block: 'SSL', inert: 'password ca certificate key' },
  { block: 'tunnel_group', inert: 'tunnel_entry' },
  { block: 'tunnel_entry', inert: 'kind local remote if' },
  { block: 'auth_hmac', inert: 'key active_key anti_replay time_window mode' },
  { block: 'SMTP_CHECK', inert: `${checkCommon} helo_name host` },
  { block: 'DNS_CHECK', inert: `${checkCommon} type name` },
  {
    block: 'MISC_CHECK',
    inert:
      'misc_path misc_timeout misc_dynamic user retry delay_before_retry warmup delay_loop alpha ' +
      'log_all_failures',
  },
  { block: 'PING_CHECK', inert: checkCommon },
  { block: 'BFD_CHECK', inert: 'name alpha' },
  { block: 'FILE_CHECK', inert: 'track_file weight' },
];

export const knownWords: readonly Row[] = [
  {
    block: topLevel,
    refused: 'net_namespace net_namespace_ipvs static_rules track_group tunnel_group',
    informs:
      'vrrp_script vrrp_track_process track_file vrrp_track_file bfd_instance garp_group ' +
      'deny_address_group allow_address_group SSL interface_up_down_delays',
    inert:
      'namespace_with_ipsets instance use_pid_dir linkbeat_use_polling linkbeat_interfaces ' +
      'child_wait_time',
  },
  {
    block: 'global_defs',
    refused:
      'vrrp_strict vrrp_owner_ignore_adverts vrrp_startup_delay vrrp_delay_after_boot ' +
      'include_check',
    informs:
      'notification_email notification_email_from smtp_server smtp_helo_name ' +
      'smtp_connect_timeout smtp_alert smtp_alert_vrrp smtp_alert_checker no_email_faults ' +
      'no_checker_emails checker_log_all_failures rs_init_notifies startup_script ' +
      'startup_script_timeout shutdown_script shutdown_script_timeout ' +
      'vrrp_notify_priority_changes notify_fifo vrrp_notify_fifo lvs_notify_fifo ' +
      'notify_fifo_script vrrp_notify_fifo_script lvs_notify_fifo_script ' +
      'fifo_write_vrrp_states_on_reload log_unknown_vrids lvs_sync_daemon snmp_socket ' +
      'enable_traps enable_snmp_vrrp enable_snmp_keepalived enable_snmp_checker enable_snmp_rfc ' +
      'enable_snmp_rfcv2 enable_snmp_rfcv3 snmp_vs_stats_update_interval ' +
      'snmp_rs_stats_update_interval enable_dbus dbus_service_name dbus_no_interface_name ' +
      'state_dump_file stats_dump_file json_dump_file state_file_location stats_file_location ' +
      'json_file_location json_version reload_time_file reload_repeat reload_file ' +
      'vrrp_garp_extra_if vrrp_vmac_garp_intvl lvs_flush_on_stop lvs_flush_onstop',
    inert:
      'process_names process_name vrrp_process_name checker_process_name lvs_process_name ' +
      'bfd_process_name script_user enable_script_security use_symlink_paths ' +
      'set_supplementary_groups dynamic_interfaces vrrp_mcast_group6 vrrp_garp_interval ' +
      'vrrp_gna_interval vmac_prefix vmac_addr_prefix vrrp_iptables vrrp_ipsets nftables ' +
      'nftables_priority nftables_counters nftables_ifindex nftables_ipvs ' +
      'nftables_ipvs_priority nftables_ipvs_start_fwmark disable_local_igmp lvs_flush ' +
      'max_auto_priority min_auto_priority_delay vrrp_priority checker_priority bfd_priority ' +
      'vrrp_rt_priority checker_rt_priority bfd_rt_priority vrrp_rlimit_rttime ' +
      'checker_rlimit_rttime bfd_rlimit_rttime vrrp_rlimit_rtime checker_rlimit_rtime ' +
      'bfd_rlimit_rtime vrrp_no_swap checker_no_swap bfd_no_swap vrrp_cpu_affinity ' +
      'checker_cpu_affinity bfd_cpu_affinity vrrp_netlink_cmd_rcv_bufs ' +
      'vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs ' +
      'vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs ' +
      'lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs ' +
      'lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs ' +
      'process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier umask ' +
      'reload_check_config tmp_config_directory config_save_dir data_use_instance iproute_usr_dir ' +
      'iproute_etc_dir lvs_id',
  },
  {
    block: 'vrrp_instance',
    refused: `${trackers} no_accept virtual_routes virtual_rules unicast_fault_no_peer
      old_unicast_checksum timer_expired_backup thread_timer_expired owner_ignore_adverts`,
    informs: `${notify} use_vmac use_vmac_addr vmac_xmit_base use_ipvlan garp_extra_if
      vmac_garp_intvl lvs_sync_daemon_interface no_virtual_ipaddress`,
    inert: 'promote_secondaries native_ipv6 kernel_rx_buf_size linkbeat_use_polling debug',
  },
  {
    block: 'vrrp_sync_group',
    refused: `${trackers} sync_group_tracking_weight`,
    informs: notify,
    inert: 'global_tracking',
  },
  { block: 'authentication', refused: 'auth_hmac' },
  {
    block: 'virtual_server',
    refused:
      'daddr_group_name waddr_group_name limit_proportion bps proxy_protocol hash_target ' +
      'persistence_engine flag-1 flag-2 flag-3 sorry_server_inhibit sorry_server_lvs_method ' +
      'ip_family quorum_up quorum_down',
    informs: 'smtp_alert snmp_name',
    inert: 'hashed vip_bind_dev nat_mask net_mask',
  },
  {
    block: 'real_server',
    informs: 'notify_up notify_down smtp_alert snmp_name',
  },
  { block: 'TCP_CHECK', refused: 'bind_if fwmark' },
  { block: 'UDP_CHECK', refused: 'bind_if fwmark' },
  { block: 'HTTP_GET', refused: 'bind_if fwmark', inert: 'fast_recovery' },
  { block: 'SSL_GET', refused: 'bind_if fwmark', inert: 'fast_recovery tls_compliant' },
  { block: 'url', inert: 'regex_stack tls_compliant' },
  ...skipped,
];

const tracked = 'a failure it should notice would leave the addresses here; take it out to go on';

/** Words with more to say than their status. */
export const reasons: ReadonlyMap<string, string> = new Map([
  ['track_interface', tracked],
  ['track_script', tracked],
  ['track_file', tracked],
  ['track_process', tracked],
  ['track_bfd', tracked],
  ['track_src_ip', tracked],
  ['vrrp_script', 'no script is run; where an instance tracks one, that is an error'],
  ['vrrp_track_process', 'no process is watched; where an instance tracks one, that is an error'],
  ['bfd_instance', 'no BFD session is held; where an instance tracks one, that is an error'],
  ['track_group', 'addresses would stay here whatever the state of the instances'],
  ['daddr_group_name', 'nobody would be denied; deny them in front of this node'],
  ['waddr_group_name', 'everybody would be allowed; allow them in front of this node'],
  ['deny_address_group', 'nothing is denied; where a virtual_server names it, that is an error'],
  ['allow_address_group', 'nothing is allowed; where a virtual_server names it, that is an error'],
  ['limit_proportion', 'no packet would be dropped'],
  ['bps', 'no bandwidth would be limited'],
  ['no_accept', 'the addresses would answer; deny access in front of this node'],
  ['vrrp_strict', 'it forbids among others that the addresses answer, and they would'],
  ['virtual_routes', 'no route would move along; static_routes stay where they are'],
  ['virtual_rules', 'no rule would move along'],
  ['static_rules', 'no rule would be set; set it by ip rule when the machine starts'],
  ['net_namespace', 'start the node in it: ip netns exec NAME keelson start'],
  ['vrrp_startup_delay', 'preempt_delay keeps a node that comes back from taking over'],
  ['vrrp_delay_after_boot', 'preempt_delay keeps a node that comes back from taking over'],
  ['auth_hmac', 'adverts would go without it; use auth_type PASS or unicast peers'],
  ['quorum_up', 'scripts are not run; track_quorum lets an instance give way by itself'],
  [
    'quorum_down',
    'scripts are not run, so an address without a server would stay here; track_quorum lets an ' +
      'instance give way by itself',
  ],
  ['notify_up', 'scripts are not run'],
  ['notify_down', 'scripts are not run'],
  ['startup_script', 'scripts are not run'],
  ['shutdown_script', 'scripts are not run'],
  ['lvs_sync_daemon', 'connections do not survive a takeover'],
  ['use_vmac', 'adverts and addresses use the hardware address of the interface'],
  ['use_vmac_addr', 'adverts and addresses use the hardware address of the interface'],
  ['bind_if', 'the check could take another way than it should'],
  ['fwmark', 'the check could take another way than it should'],
  ['proxy_protocol', 'servers that expect the header would refuse the connections'],
  ['SSL', 'checks by SSL_GET present no certificate'],
  ['interface_up_down_delays', 'an interface counts as down at once'],
  ...[
    'notify_master',
    'notify_backup',
    'notify_fault',
    'notify_stop',
    'notify_deleted',
    'notify',
    'notify_master_rx_lower_pri',
  ].map((w) => [w, 'scripts are not run'] as const),
]);
