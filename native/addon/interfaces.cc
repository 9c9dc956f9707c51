// SPDX-License-Identifier: Apache-2.0
#include "interfaces.h"

#include <cerrno>

#include "convert.h"
#include "netlink.h"
#include "receiver.h"

namespace keelson
{

namespace
{

Napi::Object FromLink(Napi::Env env, const LinkChange &c)
{
	Napi::Object o = Napi::Object::New(env);

	o.Set("type", c.gone ? "linkGone" : "link");
	o.Set("index", c.index);
	o.Set("name", c.name);
	o.Set("up", c.up);
	o.Set("running", c.running);
	o.Set("mac", c.mac);
	o.Set("mtu", c.mtu);
	return o;
}

Napi::Object FromAddress(Napi::Env env, const AddressChange &c)
{
	Napi::Object o = Napi::Object::New(env);

	o.Set("type", c.gone ? "addressGone" : "address");
	o.Set("index", c.index);
	o.Set("family", c.family);
	o.Set("address", c.address);
	o.Set("prefixLength", c.prefix_length);
	return o;
}

template <typename T, typename Convert>
Napi::Array List(Napi::Env env, const std::vector<T> &items, Convert convert)
{
	Napi::Array out = Napi::Array::New(env, items.size());

	for (uint32_t i = 0; i < items.size(); i++)
		out.Set(i, convert(env, items[i]));
	return out;
}

void HandChanges(Napi::Env env, const Napi::Function &listener, Arrival *a)
{
	NetlinkChanges changes;

	ParseChanges(a->bytes.data(), a->bytes.size(), &changes);
	for (const LinkChange &c : changes.links)
		listener.Call({ FromLink(env, c) });
	for (const AddressChange &c : changes.addresses)
		listener.Call({ FromAddress(env, c) });
}

void Check(Napi::Env env, const std::string &what, int status)
{
	if (status != 0)
		throw SystemError(env, what, -status);
}

// netlinkMonitor(onChange(change), onClose(code)) -> { close() }
Napi::Value NetlinkMonitor(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Napi::Function on_change = FunctionArgument(info, 0, "onChange");
	Napi::Function on_close = FunctionArgument(info, 1, "onClose");
	int fd = OpenMonitor();

	if (fd < 0)
		throw SystemError(env, "netlink", -fd);
	std::shared_ptr<Receiver> r = Receiver::Own(fd);
	Napi::Object handle = Napi::Object::New(env);

	r->Listen(env, true, HandChanges, on_change, on_close);
	handle.Set("close",
		   Napi::Function::New(env, [r](const Napi::CallbackInfo &) { r->Close(); }));
	return handle;
}

// linkDump() -> link[]
Napi::Value LinkDump(const Napi::CallbackInfo &info)
{
	NetlinkChanges found;

	Check(info.Env(), "dump of links", DumpLinks(&found));
	return List(info.Env(), found.links, FromLink);
}

// addressDump() -> address[]
Napi::Value AddressDump(const Napi::CallbackInfo &info)
{
	NetlinkChanges found;

	Check(info.Env(), "dump of addresses", DumpAddresses(&found));
	return List(info.Env(), found.addresses, FromAddress);
}

void AddressChangeBy(const Napi::CallbackInfo &info, bool add)
{
	Napi::Object o = ObjectArgument(info, 0, "address");
	std::string device = TextProperty(o, "device");
	std::string address = TextProperty(o, "address");
	int prefix_length = IntProperty(o, "prefixLength");

	Check(info.Env(), address + "/" + std::to_string(prefix_length) + " on " + device,
	      ChangeAddress(add, device, address, prefix_length));
}

// addressAdd({ device, address, prefixLength })
void AddressAdd(const Napi::CallbackInfo &info)
{
	AddressChangeBy(info, true);
}

// addressDel({ device, address, prefixLength })
void AddressDel(const Napi::CallbackInfo &info)
{
	AddressChangeBy(info, false);
}

void RouteChangeBy(const Napi::CallbackInfo &info, bool add)
{
	Napi::Object o = ObjectArgument(info, 0, "route");
	Route r = {
		TextProperty(o, "device"),         TextProperty(o, "destination"),
		IntProperty(o, "prefixLength"),    NullableTextProperty(o, "gateway"),
		NullableTextProperty(o, "source"), IntProperty(o, "metric"),
	};

	Check(info.Env(),
	      "route to " + r.destination + "/" + std::to_string(r.prefix_length) + " on " +
		      r.device,
	      ChangeRoute(add, r));
}

// routeAdd({ device, destination, prefixLength, gateway | null, source | null, metric })
void RouteAdd(const Napi::CallbackInfo &info)
{
	RouteChangeBy(info, true);
}

// routeDel({ device, destination, prefixLength, gateway | null, source | null, metric })
void RouteDel(const Napi::CallbackInfo &info)
{
	RouteChangeBy(info, false);
}

// linkSetUp(device)
void LinkSetUp(const Napi::CallbackInfo &info)
{
	std::string device = TextArgument(info, 0, "device");

	Check(info.Env(), device, SetLinkUp(device));
}

} // namespace

void AddInterfaces(Napi::Env env, Napi::Object exports)
{
	exports.Set("netlinkMonitor", Napi::Function::New(env, NetlinkMonitor));
	exports.Set("linkDump", Napi::Function::New(env, LinkDump));
	exports.Set("addressDump", Napi::Function::New(env, AddressDump));
	exports.Set("addressAdd", Napi::Function::New(env, AddressAdd));
	exports.Set("addressDel", Napi::Function::New(env, AddressDel));
	exports.Set("routeAdd", Napi::Function::New(env, RouteAdd));
	exports.Set("routeDel", Napi::Function::New(env, RouteDel));
	exports.Set("linkSetUp", Napi::Function::New(env, LinkSetUp));
}

} // namespace keelson
