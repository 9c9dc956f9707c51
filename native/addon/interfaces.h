// SPDX-License-Identifier: Apache-2.0
// The functions on interfaces, addresses and routes: conversion of netlink.h.
#ifndef KEELSON_INTERFACES_H
#define KEELSON_INTERFACES_H

#include <napi.h>

namespace keelson
{

void AddInterfaces(Napi::Env env, Napi::Object exports);

} // namespace keelson

#endif
